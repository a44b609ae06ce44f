import assert from 'node:assert/strict';
import test from 'node:test';
import { isBeyondLimit } from '../../../src/core/call.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { eventually } from '../../support/waiting.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig } from '../rig.ts';

const CARE = { ...POLICY_DEFAULTS.care, retries: { most: 5, base: 5, cap: 10, share: 0.2 }, ramp: 0 };
/** Calls that would have to wait are refused. */
const NO_WAIT = { ...CARE, maxWait: 0, retries: { ...CARE.retries, most: 0 } };
/** The breaker is open for longer than a call may wait after a pause of a second. */
const SHORT_WAIT = { ...CARE, maxWait: 1_100 };

/** Answers a body that has the word `poison` with 502, or with nothing if `how` is `reset`. */
const poisoned =
  (how: 'answer' | 'reset'): Behaviour =>
  (res, { body }) => {
    if (!body.includes('poison')) json(res, 200, chatAnswer(MODEL));
    else if (how === 'reset') res.destroy();
    else json(res, 502, { error: 'worker died' });
  };

const breakerOf = ({ gateway }: Rig) => [...gateway.lanes()][0]?.breaker;
const askAs = (rig: Rig, agent: string, body: Record<string, unknown>, query = '') =>
  ask(rig.url, { path: `/v1/chat/completions${query}`, body: chat(body), headers: { 'x-agent-id': agent } });

test('a call that its upstream cannot stand, however often it is repeated, stops no call', async () => {
  const numbered = (agent: string) => `?try=${agent}`;
  for (const [how, queryOf] of [
    ['answer', () => ''],
    ['reset', () => ''],
    ['answer', numbered],
  ] as const) {
    await using router = await startUpstream(poisoned(how));
    await using rig = await startRig({ router: router.url, care: CARE });
    for (const agent of ['a', 'b', 'c', 'd', 'e', 'f']) {
      assert.equal((await askAs(rig, agent, { user: 'poison' }, queryOf(agent))).status, 502);
    }
    assert.equal(breakerOf(rig)?.state, 'closed');
    assert.equal((await askAs(rig, 'g', {})).status, 200);
    assert.ok(router.received.length >= 17);
  }
});

test('an agent whose calls all fail stops only its own, and gets a call through once others are answered', async () => {
  for (const how of ['answer', 'reset'] as const) {
    await using router = await startUpstream(poisoned(how));
    await using rig = await startRig({ router: router.url, care: NO_WAIT });
    for (let n = 0; n < 5; n++) assert.equal((await askAs(rig, 'odd', { user: 'poison', n })).status, 502);
    const stopped = await askAs(rig, 'odd', { n: 5 });
    assert.deepEqual([stopped.status, stopped.headers['x-upshift-error']], [429, 'circuit_open']);
    const state = breakerOf(rig);
    assert.deepEqual([state?.state, state !== undefined && 'agents' in state ? state.agents : null], ['open', 1]);
    assert.equal((await askAs(rig, 'other', {})).status, 200);
    assert.equal((await askAs(rig, 'odd', { n: 6 })).status, 200);
  }
});

test('an outage opens the breaker for all: by many agents, and by many calls of one agent for that agent', async () => {
  for (const agents of [7, 1]) {
    await using router = await startUpstream((res) => json(res, 500, {}));
    await using rig = await startRig({ router: router.url, care: NO_WAIT });
    const answers = [];
    for (let n = 0; n < 20; n++) answers.push(await askAs(rig, `agent ${n % agents}`, { n }));
    const seen = answers.map(({ headers }) => headers['x-upshift-error'] ?? 'the upstream');
    assert.deepEqual(seen, [...Array<string>(5).fill('the upstream'), ...Array<string>(15).fill('circuit_open')]);
  }
});

test('no connection to the upstream opens it for all at once, by the attempts of one call', async () => {
  const router = await startUpstream((res) => json(res, 200, {}));
  await router[Symbol.asyncDispose]();
  await using rig = await startRig({
    router: router.url,
    care: { ...CARE, maxWait: 400, retries: { ...CARE.retries, most: 4 } },
  });
  const { status, headers } = await askAs(rig, 'a', {});
  assert.deepEqual([status, headers['x-upshift-error']], [502, 'upstream_unavailable']);
  assert.equal((await askAs(rig, 'b', {})).headers['x-upshift-error'], 'circuit_open');
});

/** Answers of a call after which the gateway pauses for a second. */
const LAST_ANSWERS: Readonly<Record<string, Behaviour>> = {
  unavailable: (res) => json(res, 503, { error: 'Model is loading', error_type: 'loading' }, { 'retry-after': '1' }),
  'an error': (res) => json(res, 502, { error: 'worker died' }, { 'retry-after': '1', 'x-from': 'the upstream' }),
  large: (res) => json(res, 502, { error: 'x'.repeat(300_000) }, { 'retry-after': '1' }),
  broken: (res) => {
    res.writeHead(502, { 'retry-after': '1', 'content-length': '10' });
    res.write('half');
    setImmediate(() => res.destroy());
  },
};

for (const [name, behave] of Object.entries(LAST_ANSWERS)) {
  test(`a call gets the last answer of its upstream (${name}), even if the breaker opens while it pauses`, async () => {
    await using router = await startUpstream((res, received, req) => {
      if (received.body.includes('"first"')) behave(res, received, req);
      else json(res, 500, {});
    });
    await using rig = await startRig({ router: router.url, care: SHORT_WAIT });
    const first = askAs(rig, 'a', { user: 'first' });
    await eventually('it pauses', () => rig.failures.length === 1);
    for (let n = 0; n < 6; n++) await askAs(rig, `b${n % 3}`, { n });
    // The breaker stays open for longer than the first call may wait.
    assert.equal(breakerOf(rig)?.state, 'open');
    const { status, headers, body } = await first;
    const code = headers['x-upshift-error'];
    if (name === 'unavailable') {
      assert.deepEqual([status, headers['retry-after'], code], [502, '1', 'upstream_unavailable']);
      assert.match(body, /"message":"Model is loading","type":"loading"/);
    } else if (name === 'broken') assert.deepEqual([status, code], [502, 'upstream_unavailable']);
    else if (name === 'large') assert.deepEqual([status, body.length, code], [502, 300_012, undefined]);
    else assert.deepEqual([status, headers['x-from'], code], [502, 'the upstream', undefined]);
    const call = (await rig.recorded(7)).find(({ agent }) => agent === 'a');
    assert.equal(call?.attempts.length, 1);
    assert.ok(
      (call.attempts[0]?.durationUs ?? Infinity) < call.durationUs - 900_000,
      'the pause belongs to no attempt',
    );
  });
}

test('a call that waits or is refused because serverless is out is marked so, and shows no limit', async () => {
  let isDown = true;
  await using router = await startUpstream((res) => (isDown ? json(res, 500, {}) : json(res, 200, chatAnswer(MODEL))));
  await using rig = await startRig({
    router: router.url,
    care: { ...CARE, maxWait: 700, retries: { ...CARE.retries, most: 0 } },
  });
  for (let n = 0; n < 5; n++) await askAs(rig, `agent ${n}`, { n });
  assert.equal(breakerOf(rig)?.state, 'open');
  isDown = false;
  // The first probe goes out after 500 ms, so that this call waits for it.
  assert.equal((await askAs(rig, 'patient', {})).status, 200);
  isDown = true;
  for (let n = 0; n < 5; n++) await askAs(rig, `agent ${n}`, { m: n });
  // The same outage: the next probe goes out after a second, and no call waits so long.
  assert.equal((await askAs(rig, 'refused', {})).headers['x-upshift-error'], 'circuit_open');
  const calls = await rig.recorded(12);
  const of = (name: string) => calls.find(({ agent }) => agent === name);
  const inShort = [of('patient'), of('refused')].map((call) => [call?.outcome, call?.wasOut, call?.attempts.length]);
  assert.deepEqual(inShort, [
    ['ok', true, 1],
    ['circuit_open', true, 0],
  ]);
  assert.ok(calls.every((call) => !isBeyondLimit(call)));
});
