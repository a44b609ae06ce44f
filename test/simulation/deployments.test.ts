import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededDice } from '../../src/simulation/dice.ts';
import { createFaultBoard } from '../../src/simulation/faults.ts';
import type { FaultInput } from '../../src/simulation/faults.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { handClock } from './clocks.ts';
import { LLAMA, MINILM, endpointBody, send, startEndpoint, startFast } from './support.ts';

const CALLS = 120;
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const tools = [{ type: 'function', function: { name: 'look', parameters } }];
const response_format = { type: 'json_schema', json_schema: { name: 'trip', strict: true, schema: parameters } };

/** What is asked of both sides; no two prompts are the same. */
const KINDS = {
  text: { temperature: 0, metadata: { output_tokens: '100' } },
  long: { temperature: 0, metadata: { prompt_tokens: '20000', output_tokens: '600' } },
  thought: { temperature: 0, reasoning_effort: 'medium', metadata: { output_tokens: '100' } },
  tool: { temperature: 0, tools, tool_choice: 'required' },
  json: { temperature: 0, response_format },
};
type Kind = keyof typeof KINDS;

/** Figures of the answers of a side to calls of a kind; shares are of its calls. */
interface Figures {
  readonly promptTokens: readonly number[];
  readonly outputTokens: readonly number[];
  readonly texts: readonly string[];
  readonly providers: ReadonlySet<string | null>;
  readonly finishes: ReadonlySet<string>;
  readonly reasoning: number;
  /** Answers that hold raw notation of a tool call, and tool calls or JSON that break the schema or no JSON at all. */
  readonly raw: number;
  readonly wrong: number;
  readonly noJson: number;
}

async function figuresOf(url: string, kind: Kind, model = LLAMA): Promise<Figures> {
  const answers = await Promise.all(
    Array.from({ length: CALLS }, async (_, number) => {
      const messages = [{ role: 'user', content: `Trip ${number}?` }];
      const asked = { model, messages, ...KINDS[kind] };
      const { status, json, headers } = await send('POST', `${url}/v1/chat/completions`, asked);
      assert.equal(status, 200);
      const [{ message, finish_reason }] = json.choices;
      return { usage: json.usage, message, finish: finish_reason as string, by: headers.get('x-inference-provider') };
    }),
  );
  const said = answers.map(({ message }) => (message.tool_calls?.[0].function.arguments ?? message.content) as string);
  const share = (isSo: (text: string) => boolean) => said.filter(isSo).length / CALLS;
  return {
    promptTokens: answers.map(({ usage }) => usage.prompt_tokens),
    outputTokens: answers.map(({ usage }) => usage.completion_tokens),
    texts: said,
    providers: new Set(answers.map(({ by }) => by)),
    finishes: new Set(answers.map(({ finish }) => finish)),
    reasoning: answers.filter(({ message }) => message.reasoning_content !== undefined).length / CALLS,
    raw: share((text) => text.includes('<tool_call>')),
    wrong: share((text) => valueOf(text) !== undefined && !fits(valueOf(text))),
    noJson: share((text) => valueOf(text) === undefined),
  };
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fits(value: unknown): boolean {
  const { city, days, ...rest } = value as { city: unknown; days: unknown };
  return typeof city === 'string' && Number.isInteger(days) && Object.keys(rest).length === 0;
}

/** The mean part that two texts have in common from the beginning. */
function common({ texts }: Figures, other: Figures): number {
  const parts = texts.map((text, number) => {
    const against = other.texts[number] ?? '';
    const end = Array.from(text).findIndex((letter, at) => letter !== against[at]);
    return end < 0 ? 1 : end / text.length;
  });
  return parts.reduce((sum, part) => sum + part, 0) / CALLS;
}

type Change = 'prompt' | 'output' | 'finish' | 'reasoning' | 'raw' | 'wrong' | 'no JSON' | 'text';

/** In what the endpoint's answers to calls of a kind differ from those of serverless, more than those of an equal would. */
function changesOf(router: Figures, endpoint: Figures, kind: Kind): Change[] {
  const isText = kind === 'text' || kind === 'long' || kind === 'thought';
  const differ = (left: readonly number[], right: readonly number[]) => left.some((value, at) => value !== right[at]);
  const tests: readonly (readonly [Change, boolean])[] = [
    ['prompt', differ(router.promptTokens, endpoint.promptTokens)],
    ['output', differ(router.outputTokens, endpoint.outputTokens)],
    ['finish', router.finishes.symmetricDifference(endpoint.finishes).size > 0],
    ['reasoning', router.reasoning !== endpoint.reasoning],
    ['raw', endpoint.raw > 0],
    // A few of a thousand are wrong on any side.
    ['wrong', !isText && endpoint.wrong > 0.03],
    ['no JSON', !isText && endpoint.noJson - endpoint.raw > 0.03],
    ['text', isText && kind !== 'long' && common(router, endpoint) < 0.6],
  ];
  return tests.filter(([, isSo]) => isSo).map(([change]) => change);
}

/** What each fault changes for calls of a kind. What is not named here is as without a fault. */
const faults: readonly (readonly [FaultInput | null, Partial<Record<Kind, readonly Change[]>>])[] = [
  [null, {}],
  [{ target: 'endpoint', kind: 'parser' }, { tool: ['finish', 'raw'] }],
  [
    { target: 'endpoint', kind: 'template' },
    { text: ['prompt', 'text'], long: ['prompt'], thought: ['prompt', 'text'], tool: ['prompt'], json: ['prompt'] },
  ],
  [
    { target: 'endpoint', kind: 'schema' },
    { tool: ['wrong'], json: ['wrong'] },
  ],
  [
    { target: 'endpoint', kind: 'quantised', share: 0.4 },
    { text: ['text'], thought: ['text'], tool: ['wrong', 'no JSON'], json: ['wrong', 'no JSON'] },
  ],
  [{ target: 'endpoint', kind: 'reasoning' }, { thought: ['output', 'reasoning'] }],
  [{ target: 'endpoint', kind: 'context' }, { long: ['prompt'] }],
  [
    { target: 'endpoint', kind: 'capped' },
    { long: ['output', 'finish'], tool: ['output'], json: ['output'] },
  ],
  [
    { target: 'endpoint', kind: 'tokenizer' },
    Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, ['prompt', 'output']])),
  ],
];
for (const [fault, changes] of faults) {
  test(`an endpoint ${fault === null ? 'without a fault changes nothing' : `with the fault ${fault.kind} changes what that says`}`, async () => {
    await using sim: Simulation = await startFast({ limits: { routerCalls: 1e6, replicaCalls: 1e6 } });
    const url = await startEndpoint(sim, endpointBody('one', { model: { args: ['--enable-auto-tool-choice'] } }));
    if (fault !== null) await sim.setFault(fault);
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const [router, endpoint] = [await figuresOf(sim.routerUrl, kind), await figuresOf(url, kind)];
      assert.deepEqual(changesOf(router, endpoint, kind), changes[kind] ?? [], kind);
    }
  });
}

test('the cut context of an endpoint is a share of the one that it states', async () => {
  await using sim = await startFast();
  const args = ['--max-model-len', '32768'];
  const url = await startEndpoint(sim, endpointBody('one', { model: { args } }));
  await sim.setFault({ target: 'endpoint', kind: 'context', factor: 0.25 });
  const { promptTokens } = await figuresOf(url, 'long');
  assert.deepEqual([...new Set(promptTokens)], [8_192]);
});

test('a quantised endpoint spoils three of a hundred, and one that ignores schemas a quarter, unless told otherwise', () => {
  const faults = createFaultBoard(seededDice(1), handClock());
  faults.set({ target: 'endpoint', kind: 'quantised' });
  faults.set({ target: 'endpoint', kind: 'schema' });
  assert.deepEqual(
    faults.list().map(({ kind, share, factor }) => [kind, share, factor]),
    [
      ['quantised', 0.03, 1],
      ['schema', 0.25, 1],
    ],
  );
});

test('a quantised endpoint gives other embeddings, though near ones; its usual ones are those of serverless', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one', { model: { repository: MINILM } }));
  const vectorOf = async (base: string) => {
    const { json } = await send('POST', `${base}/v1/embeddings`, { model: MINILM, input: 'a trip' });
    return json.data[0].embedding as number[];
  };
  const [router, usual] = [await vectorOf(sim.routerUrl), await vectorOf(url)];
  assert.deepEqual(usual, router);
  await sim.setFault({ target: 'endpoint', kind: 'quantised' });
  const cosine = cosineOf(router, await vectorOf(url));
  assert.ok(cosine > 0.9 && cosine < 0.999, `${cosine}`);
});

function cosineOf(left: readonly number[], right: readonly number[]): number {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, at) => sum + x * (b[at] ?? 0), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}

test('with the fault provider, calls are spread over all providers, and the last one is another deployment', async () => {
  await using sim = await startFast({ limits: { routerCalls: 1e6 } });
  const usual = await figuresOf(sim.routerUrl, 'text');
  assert.deepEqual([...usual.providers], ['groq']);
  await sim.setFault({ target: 'router', kind: 'provider' });
  const spread = await figuresOf(sim.routerUrl, 'text');
  assert.deepEqual(spread.providers, new Set(['groq', 'novita', 'nscale']));
  const named = async (provider: string) => figuresOf(sim.routerUrl, 'text', `${LLAMA}:${provider}`);
  const [first, last] = [await named('novita'), await named('nscale')];
  assert.deepEqual(first.promptTokens, usual.promptTokens);
  assert.ok(last.promptTokens.every((tokens, at) => tokens > (usual.promptTokens[at] ?? Infinity)));
  assert.ok(common(usual, last) < 0.6);
});
