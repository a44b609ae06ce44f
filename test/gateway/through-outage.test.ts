import assert from 'node:assert/strict';
import test from 'node:test';
import type { Call } from '../../src/core/call.ts';
import { assignedTo } from '../../src/core/call.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import type { Canary } from '../../src/core/route.ts';
import { eventually } from '../support/waiting.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour, Rig } from './rig.ts';

/** A call that would have to wait is refused. */
const CARE = { ...POLICY_DEFAULTS.care, maxWait: 0, retries: { ...POLICY_DEFAULTS.care.retries, most: 0 }, ramp: 0 };
const HALF: Partial<Canary> = { step: 3, weight: 0.5 };
const THROUGH: Partial<Canary> = { ...HALF, through: { atOnce: 100 } };

const answers: Behaviour = (res) => json(res, 200, chatAnswer(MODEL));
const isOut = ({ gateway }: Rig) => [...gateway.lanes()][0]?.isOut ?? false;
let asked = 0;

/** Calls of many agents, one after the other; their rows. */
async function callsOf(rig: Rig, count: number): Promise<readonly Call[]> {
  const before = rig.calls.length;
  for (let n = 0; n < count; n++) {
    await ask(rig.url, { body: chat({ n: asked++ }), headers: { 'x-agent-id': `agent ${asked % 7}` } });
  }
  return (await rig.recorded(before + count)).slice(before);
}

async function untilOut(rig: Rig): Promise<void> {
  for (let n = 0; n < 100 && !isOut(rig); n++) await callsOf(rig, 1);
  assert.ok(isOut(rig));
}

test('while serverless is out its calls go to the endpoint, and no call has a role', async () => {
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using endpoint = await startUpstream(answers);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary: THROUGH, care: CARE });
  await untilOut(rig);
  const calls = await callsOf(rig, 60);
  const probes = calls.filter(({ servedBy }) => servedBy !== 'dedicated');
  assert.ok(probes.length < 5, `${probes.length} of 60 calls went to serverless`);
  for (const call of calls) {
    assert.deepEqual([call.role, call.isEligible, call.step, call.weight], [null, true, 3, 0.5]);
    if (probes.includes(call)) assert.deepEqual([assignedTo(call), call.isThroughOutage], ['serverless', undefined]);
    else assert.deepEqual([assignedTo(call), call.isThroughOutage, call.status], ['dedicated', true, 200]);
  }
});

test('without the word of a person, and before the outage, the draw alone decides', async () => {
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using endpoint = await startUpstream(answers);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary: HALF, care: CARE });
  await untilOut(rig);
  const calls = await callsOf(rig, 40);
  assert.ok(calls.every(({ role, isThroughOutage }) => role !== null && isThroughOutage === undefined));
  assert.ok(calls.some(({ outcome }) => outcome === 'circuit_open'));

  await using well = await startUpstream(answers);
  await using other = await startRig({ router: well.url, endpoint: endpoint.url, canary: THROUGH, care: CARE });
  const before = await callsOf(other, 40);
  assert.deepEqual(new Set(before.map(({ role }) => role)), new Set(['stable', 'canary']));
});

test('it ends by itself: a probe is answered, and the next calls have roles again', async () => {
  let isDown = true;
  await using router = await startUpstream((res, got, req) => (isDown ? json(res, 500, {}) : answers(res, got, req)));
  await using endpoint = await startUpstream(answers);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary: THROUGH, care: CARE });
  await untilOut(rig);
  isDown = false;
  const all: Call[] = [];
  await eventually('serverless is back', async () => {
    all.push(...(await callsOf(rig, 1)));
    return !isOut(rig);
  });
  assert.ok(
    all.every(({ status, role }) => status === 200 && role === null),
    'no call was lost meanwhile',
  );
  const calls = await callsOf(rig, 40);
  assert.deepEqual(new Set(calls.map(({ role }) => role)), new Set(['stable', 'canary']));
  assert.ok(calls.every(({ isThroughOutage }) => isThroughOutage === undefined));
});

test('the endpoint gets no more calls at once than it carries: the others stay with serverless, without a role', async () => {
  const held: (() => void)[] = [];
  let most = 0;
  let atOnce = 0;
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using endpoint = await startUpstream((res, got, req) => {
    most = Math.max(most, ++atOnce);
    held.push(() => {
      atOnce--;
      answers(res, got, req);
    });
  });
  const canary = { ...THROUGH, weight: 0, through: { atOnce: 3 } };
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary, care: CARE });
  await untilOut(rig);
  const before = rig.calls.length;
  const asking = Promise.all(
    Array.from({ length: 12 }, (_, n) => ask(rig.url, { body: chat({ n }), headers: { 'x-agent-id': `many ${n}` } })),
  );
  await eventually('the others are refused', () => rig.calls.length >= before + 9);
  for (const answer of held) answer();
  await asking;
  const calls = (await rig.recorded(before + 12)).slice(before);
  assert.equal(most, 3);
  assert.equal(calls.filter(({ isThroughOutage }) => isThroughOutage === true).length, 3);
  assert.ok(calls.every(({ role }) => role === null));
});

test('a call that the endpoint cannot answer stays with serverless', async () => {
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using endpoint = await startUpstream(answers);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary: THROUGH, care: CARE });
  await untilOut(rig);
  const before = rig.calls.length;
  await ask(rig.url, { body: chat({ response_format: { type: 'json_object' } }) });
  const [call] = (await rig.recorded(before + 1)).slice(before);
  assert.deepEqual(
    [call?.isEligible, call?.servedBy === 'dedicated', call?.isThroughOutage],
    [false, false, undefined],
  );
});
