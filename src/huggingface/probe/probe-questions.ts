import type { InferenceClient } from '@huggingface/inference';
import type { CallShape } from '../../core/route.ts';
import { at, text } from '../json.ts';

/** Posts JSON to a path of the endpoint; rejects with the error text if the answer is not 2xx. */
export type Post = (path: string, body: object) => Promise<unknown>;

/** The means that a question uses for its call. */
interface Means {
  readonly client: InferenceClient;
  /** The name to give in a request; whatever it is, the engine's own name is sent in its place. */
  readonly model: string;
  readonly post: Post;
}

/** Makes one small call; resolves with the problem of the answer, null if there is none. */
export type Question = (means: Means) => Promise<string | null>;

const ASKS: Readonly<Record<CallShape, Question>> = {
  chat: askChat,
  'chat+stream': askChatStream,
  'chat+tools': askTools,
  'chat+structured': askStructured,
  completion: askCompletion,
  'completion+stream': askCompletionStream,
  embedding: askEmbedding,
};

/** The question for a shape; undefined if there is none. */
export function askFor(shape: CallShape): Question | undefined {
  return Object.hasOwn(ASKS, shape) ? ASKS[shape] : undefined;
}

const HELLO = [{ role: 'user', content: 'Say hello in one word.' }];

async function askChat({ client, model }: Means): Promise<string | null> {
  const answer: unknown = await client.chatCompletion({ model, messages: HELLO, max_tokens: 16 });
  return judgeChoice(firstChoice(answer), 'message');
}

async function askChatStream({ client, model }: Means): Promise<string | null> {
  const chunks: AsyncIterable<unknown> = client.chatCompletionStream({ model, messages: HELLO, max_tokens: 16 });
  return judgeStream(chunks, (choice) => hasSubstance(at(choice, 'delta')));
}

async function askCompletion({ client, model }: Means): Promise<string | null> {
  const answer = await client.textGeneration({ model, inputs: 'One, two,', parameters: { max_new_tokens: 8 } });
  return answer.generated_text === '' ? 'the answer is empty' : null;
}

async function askCompletionStream({ client, model }: Means): Promise<string | null> {
  // The client's types promise TGI's own events; with an endpoint URL the client calls /v1/completions and passes on
  // the events as they are.
  const inputs = { model, inputs: 'One, two,', parameters: { max_new_tokens: 8 } };
  const chunks: AsyncIterable<unknown> = client.textGenerationStream(inputs);
  return judgeStream(chunks, (choice) => text(at(choice, 'text')) !== null);
}

const TOOL = 'get_weather';

async function askTools({ client, model }: Means): Promise<string | null> {
  const answer: unknown = await client.chatCompletion({
    model,
    messages: [{ role: 'user', content: 'What is the weather in Paris? Use the tool.' }],
    tools: [
      {
        type: 'function',
        function: {
          name: TOOL,
          description: 'Looks up the weather in a city.',
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      },
    ],
    tool_choice: 'auto',
    max_tokens: 64,
  });
  const choice = firstChoice(answer);
  const problem = judgeChoice(choice, 'message');
  if (problem !== null) return problem;
  const calls = at(at(choice, 'message'), 'tool_calls');
  if (!Array.isArray(calls) || calls.length === 0) {
    // Without its tool parser, an engine returns the model's own notation as text.
    const content = text(at(at(choice, 'message'), 'content')) ?? '';
    return content.includes(TOOL) ? 'the tool call came as text: set a tool call parser in endpoint.args' : null;
  }
  const called = at(calls[0], 'function');
  if (text(at(called, 'name')) === null) return 'a tool call has no name';
  return at(choice, 'finish_reason') === 'length' || isJsonObject(at(called, 'arguments'))
    ? null
    : 'the arguments of a tool call are not a JSON object';
}

async function askStructured({ client, model }: Means): Promise<string | null> {
  const answer: unknown = await client.chatCompletion({
    model,
    messages: [{ role: 'user', content: 'Is water wet? Answer as JSON.' }],
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'answer',
        strict: true,
        schema: {
          type: 'object',
          properties: { answer: { type: 'string', enum: ['yes', 'no'] } },
          required: ['answer'],
          additionalProperties: false,
        },
      },
    },
    max_tokens: 64,
  });
  const choice = firstChoice(answer);
  const problem = judgeChoice(choice, 'message');
  if (problem !== null) return problem;
  const content = at(at(choice, 'message'), 'content');
  const given = isJsonObject(content) ? at(JSON.parse(content), 'answer') : undefined;
  return given === 'yes' || given === 'no' ? null : 'the answer does not fit the JSON schema that was asked for';
}

/**
 * Uses OpenAI's shape, because agents send that. The client's own embedding call sends `POST /` in the toolkit's shape.
 */
async function askEmbedding({ model, post }: Means): Promise<string | null> {
  const answer = await post('/v1/embeddings', { model, input: 'hello' });
  const data = at(answer, 'data');
  const vector = at(Array.isArray(data) ? data[0] : undefined, 'embedding');
  if (!Array.isArray(vector) || vector.length === 0) return 'the answer holds no vector';
  return vector.every((x) => Number.isFinite(x)) ? null : 'the vector does not consist of numbers';
}

function firstChoice(answer: unknown): unknown {
  const choices = at(answer, 'choices');
  return Array.isArray(choices) ? choices[0] : undefined;
}

function judgeChoice(choice: unknown, part: 'message'): string | null {
  if (choice === undefined) return 'the answer has no choices';
  if (!hasSubstance(at(choice, part))) return 'the answer is empty';
  return text(at(choice, 'finish_reason')) === null ? 'the answer does not say how it finished' : null;
}

async function judgeStream(
  chunks: AsyncIterable<unknown>,
  hasText: (choice: unknown) => boolean,
): Promise<string | null> {
  let isFilled = false;
  let isFinished = false;
  for await (const chunk of chunks) {
    const choice = firstChoice(chunk);
    isFilled ||= hasText(choice);
    isFinished ||= text(at(choice, 'finish_reason')) !== null;
  }
  if (!isFilled) return 'the stream is empty';
  return isFinished ? null : 'the stream does not say how it finished';
}

/** Content, reasoning or tool calls: within a few tokens, a reasoning model may produce only reasoning. */
function hasSubstance(message: unknown): boolean {
  const calls = at(message, 'tool_calls');
  return (
    ['content', 'reasoning_content', 'reasoning'].some((key) => text(at(message, key)) !== null) ||
    (Array.isArray(calls) && calls.length > 0)
  );
}

function isJsonObject(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}
