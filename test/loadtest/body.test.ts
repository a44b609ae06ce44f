import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIXES, taskOf, WITH_REASONING, writeBody } from '../../src/loadtest/body.ts';
import type { BodyWish } from '../../src/loadtest/body.ts';
import { startLoad } from '../../src/loadtest/load.ts';
import { runSwarm } from '../../src/loadtest/swarm.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { fastClock } from '../simulation/clocks.ts';
import { LLAMA, startFast, TOKEN } from '../simulation/support.ts';
import { GOOD, loadOf, serve } from './rig.ts';
import type { Asked } from './rig.ts';

const WISH: BodyWish = {
  model: LLAMA,
  name: 'Task 1',
  promptTokens: 1_000,
  outputTokens: 120,
  isStreamed: false,
  task: 'plain',
  isAbridged: true,
};

type Body = Readonly<Record<string, unknown>>;
const bodyOf = (wish: Partial<BodyWish>) => JSON.parse(writeBody({ ...WISH, ...wish })) as Body;

for (const [task, keys] of [
  ['plain', []],
  ['exact', ['temperature']],
  ['tools', ['tools', 'tool_choice', 'temperature']],
  ['json', ['response_format', 'temperature']],
  ['reasoning', ['reasoning_effort']],
] as const) {
  test(`a body of the task ${task} asks for it and for nothing else, and stays small`, () => {
    const plain = Object.keys(bodyOf({}));
    assert.deepEqual(
      Object.keys(bodyOf({ task })).filter((key) => !plain.includes(key)),
      [...keys],
    );
    assert.ok(writeBody({ ...WISH, task }).length < 1_600);
  });
}

test('a body states the limit of its answer, another one, or none', () => {
  assert.equal(bodyOf({})['max_tokens'], 120);
  assert.equal(bodyOf({ maxTokens: 512 })['max_tokens'], 512);
  assert.equal('max_tokens' in bodyOf({ maxTokens: null }), false);
  assert.deepEqual(bodyOf({})['metadata'], { prompt_tokens: '1000', output_tokens: '120' });
});

test('of ten agents of a mix, three offer tools, one demands JSON, two are exact, and one may reason', () => {
  const counts = (tasks: typeof WITH_REASONING) =>
    Object.fromEntries(
      ['tools', 'json', 'exact', 'reasoning', 'plain'].map((task) => [
        task,
        Array.from({ length: 10 }, (_, agent) => taskOf(agent, tasks)).filter((each) => each === task).length,
      ]),
    );
  assert.deepEqual(counts(MIXES.agents), { tools: 3, json: 1, exact: 2, reasoning: 0, plain: 4 });
  assert.deepEqual(counts(WITH_REASONING), { tools: 3, json: 1, exact: 2, reasoning: 1, plain: 3 });
  assert.equal(taskOf(12, MIXES.agents), taskOf(2, MIXES.agents));
});

test('a mix changes neither when calls are sent, nor by whom, nor how long their prompts and answers are', async () => {
  const trace = Array.from({ length: 60 }, (_, at) => ({
    atMs: at * 10,
    promptTokens: 50 + at,
    outputTokens: 20 + at,
  }));
  const sent = async (tasks: typeof WITH_REASONING) => {
    const seen = new Map<unknown, unknown>();
    const answer = ({ request, body, response }: Asked) => {
      const { messages, metadata, stream } = JSON.parse(body) as Body;
      seen.set(JSON.stringify(messages), { agent: request.headers['x-agent-id'], metadata, stream });
      response.end(GOOD);
    };
    await using server = await serve(answer);
    const common = { baseUrl: server.url, clock: fastClock(1_000), agents: 64, model: LLAMA, token: TOKEN };
    await runSwarm({ ...common, trace, tasks, dice: seededDice(3) });
    return [...seen].toSorted(([left], [right]) => String(left).localeCompare(String(right)));
  };
  assert.deepEqual(await sent(WITH_REASONING), await sent(MIXES.plain));
});

test('the simulation answers every task of a mix', async () => {
  await using sim = await startFast();
  const { total } = await startLoad(
    loadOf(sim.routerUrl, { model: LLAMA, token: TOKEN, agents: 10, tasks: WITH_REASONING, maxTokens: 100 }),
  ).ended;
  assert.equal(total.ends.ok, 40);
});
