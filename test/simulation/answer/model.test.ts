import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAsked } from '../../../src/simulation/answer/asked.ts';
import type { Deployment } from '../../../src/simulation/answer/deployment.ts';
import { endpointDeployment, providerDeployment } from '../../../src/simulation/answer/deployment.ts';
import { answerCall } from '../../../src/simulation/answer/model.ts';
import { seededDice } from '../../../src/simulation/dice.ts';
import { createFaultBoard } from '../../../src/simulation/faults.ts';
import type { FaultKind } from '../../../src/simulation/fault-kinds.ts';
import { handClock } from '../clocks.ts';

type Body = Readonly<Record<string, unknown>>;

const CALLS = 2_000;
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { enum: ['c', 'f'] } },
  required: ['city', 'unit'],
};
const tools = ['look', 'ask'].map((name) => ({ type: 'function', function: { name, parameters } }));
const response_format = { type: 'json_schema', json_schema: { name: 'place', schema: parameters } };

const board = () => createFaultBoard(seededDice(1), handClock());
const router = () => providerDeployment(board(), 'groq', false);
/** The endpoint, with the faults of these kinds. */
function endpoint(...kinds: readonly FaultKind[]): Deployment {
  const faults = board();
  for (const kind of kinds) faults.set({ target: 'endpoint', kind, share: 1 });
  return endpointDeployment(faults, 'one', 131_072);
}

function ask(
  number: number,
  body: Body,
  deployment: Deployment,
  { natural = 100, limit = Infinity, reasons = 0 } = {},
) {
  const asked = readAsked('chat', { messages: [{ role: 'user', content: `Task ${number}` }], ...body });
  return answerCall(asked, { natural, limit }, deployment, { call: `call-${number}`, reasons });
}

/** The share of calls of which something is so. */
function share(isSo: (number: number) => boolean): number {
  return Array.from({ length: CALLS }, (_, number) => isSo(number)).filter(Boolean).length / CALLS;
}

const isValid = (json: string | undefined) => {
  try {
    const { city, unit } = JSON.parse(json ?? '') as { city: unknown; unit: unknown };
    return typeof city === 'string' && (unit === 'c' || unit === 'f');
  } catch {
    return false;
  }
};

const within = (value: number, least: number, most: number) => {
  assert.ok(value >= least && value <= most, `${value} is not within ${least} and ${most}`);
};

// Bounds are six standard errors of a share of 2,000 calls or more.
test('a model that may call a tool does so in most calls, whatever side it is on', () => {
  for (const temperature of [0, 1]) {
    const calls = (deployment: Deployment) => (number: number) =>
      ask(number, { tools, temperature }, deployment).finish === 'tool_calls';
    const [one, other] = [calls(router()), calls(endpoint())];
    within(share(one), 0.8, 0.9);
    within(share(other), 0.8, 0.9);
    const differ = share((number) => one(number) !== other(number));
    if (temperature === 0) within(differ, 0, 0.02);
    else within(differ, 0.01, 0.12);
  }
});

test('the arguments of tools and demanded JSON satisfy their schema in all but a few of a thousand answers', () => {
  for (const deployment of [router(), endpoint()]) {
    const called = { tools, tool_choice: 'required' };
    within(
      share((number) => !isValid(ask(number, called, deployment).tool?.args)),
      0,
      0.011,
    );
    within(
      share((number) => !isValid(ask(number, { response_format }, deployment).text)),
      0,
      0.011,
    );
  }
  assert.ok(share((number) => !isValid(ask(number, { response_format }, router()).text)) > 0);
});

test('at temperature 0 two sides mostly say the same, and each says the same again; otherwise texts differ', () => {
  const same = (body: Body) => share((n) => ask(n, body, router()).text === ask(n, body, endpoint()).text);
  within(same({ temperature: 0 }), 0.4, 0.7);
  assert.equal(same({}), 0);
  const again = (number: number) => ask(number, { temperature: 0, response_format }, router());
  assert.deepEqual(again(1), again(1));
});

test('an answer that is longer than its limit ends there, and says so', () => {
  const cut = ask(1, {}, router(), { natural: 200, limit: 50 });
  assert.deepEqual([cut.finish, cut.outputTokens, cut.text.length], ['length', 50, 200]);
  const whole = ask(1, {}, router(), { natural: 50, limit: 200 });
  assert.deepEqual([whole.finish, whole.outputTokens, whole.text.length], ['stop', 50, 200]);
  const tiny = ask(1, {}, router(), { natural: 5, limit: 5 });
  assert.equal(tiny.finish, 'length');
  const called = ask(1, { tools, tool_choice: 'required' }, router(), { natural: 5, limit: 5 });
  assert.deepEqual([called.finish, isValid(called.tool?.args)], ['length', false]);
});

test('reasoning is a part of the tokens: the share that the call asks for, else that of the model', () => {
  const thought = (body: Body, reasons: number) => {
    const { reasoning, reasoningTokens, outputTokens, text } = ask(1, body, router(), { reasons });
    assert.deepEqual([reasoning.length, text.length], [reasoningTokens * 4, (100 - reasoningTokens) * 4]);
    assert.equal(outputTokens, 100);
    return reasoningTokens;
  };
  assert.deepEqual(
    [
      thought({}, 0),
      thought({}, 0.4),
      thought({ reasoning_effort: 'low' }, 0),
      thought({ reasoning_effort: 'high' }, 0.4),
      thought({ reasoning_effort: 'none' }, 0.4),
    ],
    [0, 40, 20, 60, 0],
  );
});
