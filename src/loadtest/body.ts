/**
 * What the calls of an agent ask for. `plain`: a text. `exact`: a text at temperature 0. `tools`: they offer tools. `json`:
 * they demand JSON by a schema. `reasoning`: they ask for thoughts before the text.
 */
export type Task = 'plain' | 'exact' | 'tools' | 'json' | 'reasoning';

/** What agents ask for, taken in turn: the first agent does the first, and so on, again from the beginning. */
export type Tasks = readonly Task[];

/** The values of `loadtest --mix`. */
export const MIXES = {
  plain: ['plain'],
  agents: ['tools', 'plain', 'tools', 'exact', 'json', 'plain', 'tools', 'plain', 'exact', 'plain'],
} as const satisfies Readonly<Record<string, Tasks>>;

export type MixName = keyof typeof MIXES;

/** The same with an agent that asks for reasoning. Many models refuse that, the simulation's do not. */
export const WITH_REASONING: Tasks = MIXES.agents.map((task, at) => (at === 1 ? 'reasoning' : task));

/** The task of the n-th agent, from 0. */
export function taskOf(agent: number, tasks: Tasks): Task {
  return tasks[agent % tasks.length] ?? 'plain';
}

/** The content of one call. */
export interface BodyWish {
  readonly model: string;
  /** Start of the prompt; it makes every prompt different. */
  readonly name: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly isStreamed: boolean;
  readonly task: Task;
  /**
   * Send a short prompt, and state the intended lengths of prompt and answer in `metadata`. This is cheap, but only the
   * simulation understands it.
   */
  readonly isAbridged?: boolean;
  /** The limit of the answer's tokens; null: the body has none. Without it: the tokens of the answer. */
  readonly maxTokens?: number | null;
}

const PROMPT = 'Look at the figures of the last hour and say which of the open tasks should be taken up first. ';
const CHARACTERS_PER_TOKEN = 4;
const ABRIDGED_CHARACTERS = 300;

const NOTE = { type: 'string', description: 'Why, in a few sentences.' };
const TOOLS = [
  tool('take_up_task', 'Takes up one of the open tasks.', {
    task: { type: 'integer', minimum: 1, maximum: 500 },
    urgency: { type: 'string', enum: ['low', 'normal', 'high'] },
    note: NOTE,
  }),
  tool('ask_for_figures', 'Asks for the figures of a span of time.', {
    span: { type: 'string', enum: ['hour', 'day', 'week'] },
    columns: { type: 'array', items: { type: 'string' }, minItems: 1 },
    note: NOTE,
  }),
];
const REPORT = {
  type: 'object',
  properties: {
    task: { type: 'integer', minimum: 1 },
    isUrgent: { type: 'boolean' },
    summary: { type: 'string' },
  },
  required: ['task', 'isUrgent', 'summary'],
  additionalProperties: false,
};

function tool(name: string, description: string, properties: object): object {
  const parameters = { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
  return { type: 'function', function: { name, description, parameters } };
}

/** What a body of a task holds beside model, prompt and lengths. */
const ASKS: Readonly<Record<Task, object>> = {
  plain: {},
  exact: { temperature: 0 },
  tools: { tools: TOOLS, tool_choice: 'auto', temperature: 0 },
  json: {
    response_format: { type: 'json_schema', json_schema: { name: 'report', strict: true, schema: REPORT } },
    temperature: 0,
  },
  reasoning: { reasoning_effort: 'low' },
};

/** The body of a chat call whose prompt has about the wanted number of tokens; four characters count as one token. */
export function writeBody(wish: BodyWish): string {
  const { model, name, promptTokens, outputTokens, isStreamed, task, isAbridged = false } = wish;
  const { maxTokens = outputTokens } = wish;
  const whole = promptTokens * CHARACTERS_PER_TOKEN;
  const length = isAbridged ? Math.min(ABRIDGED_CHARACTERS, whole) : whole;
  const content = `${name}. ${PROMPT.repeat(Math.ceil(length / PROMPT.length)).slice(0, length)}`;
  const stated = { prompt_tokens: String(promptTokens), output_tokens: String(outputTokens) };
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    ...ASKS[task],
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...(isStreamed ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(isAbridged ? { metadata: stated } : {}),
  });
}
