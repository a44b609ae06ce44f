import assert from 'node:assert/strict';
import { request } from 'node:http';
import test from 'node:test';
import { Pool } from 'undici';
import { Lane } from '../../../src/gateway/care/lane.ts';
import type { Permit } from '../../../src/gateway/care/waiting-line.ts';
import { Lanes } from '../../../src/gateway/care/lanes.ts';
import type { LearnedLane } from '../../../src/core/care/lane-status.ts';
import { pauseOf } from '../../../src/gateway/care/retry-after.ts';
import { eventually } from '../../support/waiting.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour } from '../rig.ts';

const CARE = {
  retries: { most: 5, base: 5, cap: 20, share: 0.2 },
  maxWait: 30_000,
  queue: 100,
  ramp: 0,
  breaker: { faults: 5, cooldown: 60_000, probes: 1 },
  providers: [],
  batch: { wait: 5, most: 1 },
};

/** Learned before: one call a second. */
const KNOWN: LearnedLane = {
  rate: { perSecond: 1 },
  inFlight: { most: null },
  breaker: { state: 'closed' },
};

const fine: Behaviour = (res) => json(res, 200, chatAnswer(MODEL));

/** Answers with these statuses, one after the other, then with success. */
function statuses(...all: readonly number[]): Behaviour {
  const left = [...all];
  return (res, received, req) => {
    const status = left.shift();
    if (status === undefined) fine(res, received, req);
    else json(res, status, { error: status });
  };
}

test('the client does not see a short refusal or outage, and the retries are one call', async () => {
  await using router = await startUpstream(statuses(429, 503, 504));
  await using rig = await startRig({ router: router.url, care: CARE });
  const answer = await ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'a' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-upshift-attempts'], '4');
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.finalOutcome, call?.attempts.length], ['rate_limited', 'ok', 4]);
  assert.deepEqual(rig.failures, [{ outcome: 'rate_limited', upstream: 'serverless' }]);
  // The call was served: the same body is new demand.
  await ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'a' } });
  assert.equal(rig.arrivals[1]?.isRepeat, false);
});

test('errors that a retry cannot help are passed on at once: no credits, a server error, a client’s mistake', async () => {
  for (const status of [402, 500, 400, 401]) {
    await using router = await startUpstream(statuses(status));
    await using rig = await startRig({ router: router.url, care: CARE });
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, router.received.length], [status, 1]);
    assert.equal(answer.headers['x-upshift-attempts'], undefined);
  }
});

test('it gives up after the policy’s number of retries: a 503 becomes a 502, and a 429 says when to ask again', async () => {
  const seen: [number, string | undefined][] = [];
  for (const status of [503, 429]) {
    await using router = await startUpstream((res) => json(res, status, {}));
    await using rig = await startRig({ router: router.url, care: { ...CARE, retries: { ...CARE.retries, most: 2 } } });
    const answering = ask(rig.url, { body: chat() });
    await eventually('three attempts', () => {
      rig.clock.advance(100);
      return router.received.length === 3;
    });
    const { status: got, headers } = await answering;
    seen.push([got, headers['retry-after']]);
  }
  assert.deepEqual(seen, [
    [502, '5'],
    [429, '5'],
  ]);
});

test('it waits as long as the upstream asks, or not at all if that is longer than the call may take', async () => {
  let isFirst = true;
  await using router = await startUpstream((res, received, req) => {
    if (!isFirst) return fine(res, received, req);
    isFirst = false;
    json(res, 429, {}, { ratelimit: '"api";r=0;t=25' });
  });
  await using rig = await startRig({ router: router.url, care: CARE });
  const impatient = await ask(rig.url, { body: chat(), headers: { 'x-request-timeout': '10' } });
  assert.deepEqual([impatient.status, impatient.headers['ratelimit']], [429, '"api";r=0;t=25']);
  assert.equal(router.received[0]?.headers['x-request-timeout'], undefined);
  // During the pause, other calls are refused without being sent.
  const other = await ask(rig.url, { body: chat({ n: 2 }), headers: { 'x-request-timeout': '10s' } });
  assert.equal(other.status, 429);
  assert.equal(other.headers['x-upshift-error'], 'over_limit');
  assert.ok(Number(other.headers['retry-after']) >= 24 && Number(other.headers['retry-after']) <= 25);
  assert.equal(router.received.length, 1);
  const patient = ask(rig.url, { body: chat({ n: 3 }) });
  await eventually('it waits', () => [...rig.gateway.lanes()][0]?.waiting === 1);
  rig.clock.advance(25_100);
  assert.equal((await patient).status, 200);
  const call = (await rig.recorded(3)).at(-1);
  assert.ok((call?.waitedUs ?? 0) > 25_000_000);
});

test('a call that the gateway refuses counts as refused demand, although no attempt was made', async () => {
  await using router = await startUpstream((res) => json(res, 429, {}, { 'retry-after': '600' }));
  await using rig = await startRig({ router: router.url, care: CARE });
  await ask(rig.url, { body: chat() });
  await ask(rig.url, { body: chat({ n: 2 }) });
  const [, second] = await rig.recorded(2);
  assert.deepEqual([second?.outcome, second?.finalOutcome, second?.status], ['rate_limited', 'rate_limited', 429]);
  assert.deepEqual([second?.attempts, second?.servedBy], [[], null]);
  assert.equal(rig.failures.length, 2);
  assert.equal(rig.arrivals.length, 2);
});

test('an upstream that is down gets a probe from time to time, and its calls again when it works', async () => {
  let isDown = true;
  await using router = await startUpstream((res, received, req) => {
    if (isDown) res.destroy();
    else fine(res, received, req);
  });
  await using rig = await startRig({
    router: router.url,
    care: { ...CARE, maxWait: 400, retries: { ...CARE.retries, most: 0 } },
  });
  for (let i = 0; i < 5; i++) assert.equal((await ask(rig.url, { body: chat({ n: i }) })).status, 502);
  const openedMs = rig.clock.now();
  let probes = 0;
  for (let i = 0; i < 20; i++) {
    const answer = await ask(rig.url, { body: chat({ n: i }) });
    if (answer.status === 502) probes++;
    else {
      assert.deepEqual([answer.status, answer.headers['x-upshift-error']], [429, 'circuit_open']);
      assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/);
    }
  }
  assert.ok(probes <= (rig.clock.now() - openedMs) / 500, `${probes} probes`);
  assert.equal(router.received.length, 5 + probes);
  assert.equal([...rig.gateway.lanes()][0]?.breaker.state, 'open');
  rig.clock.advance(60_000);
  assert.equal((await ask(rig.url, { body: chat() })).status, 502);
  assert.equal((await ask(rig.url, { body: chat() })).status, 429);
  assert.equal(router.received.length, 6 + probes);
  isDown = false;
  rig.clock.advance(60_000);
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => ask(rig.url, { body: chat({ n }) })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array<number>(10).fill(200),
  );
  assert.equal([...rig.gateway.lanes()][0]?.breaker.state, 'closed');
});

test('agents take turns when calls wait, even if one has more calls than the others', async () => {
  const served: string[] = [];
  await using router = await startUpstream((res, received, req) => {
    served.push((JSON.parse(received.body) as { user: string }).user);
    fine(res, received, req);
  });
  await using rig = await startRig({
    router: router.url,
    care: { ...CARE, maxWait: 120_000 },
    learned: [[{ model: MODEL, provider: '' }, KNOWN]],
  });
  const call = (user: string, n: number) => ask(rig.url, { body: chat({ user, n }), headers: { 'x-agent-id': user } });
  const lane = () => [...rig.gateway.lanes()][0];
  const all = Array.from({ length: 12 }, (_, n) => call('greedy', n));
  await eventually('most of them wait', () => (lane()?.waiting ?? 0) >= 10);
  all.push(...[0, 1, 2].map((n) => call('modest', n)));
  await eventually('all have come', () => rig.arrivals.length === 15);
  await eventually('all were served', () => {
    rig.clock.advance(1_000);
    return served.length === 15;
  });
  await Promise.all(all);
  const places = served.flatMap((user, place) => (user === 'modest' ? place : []));
  assert.ok((places.at(-1) as number) <= 9, served.join());
});

test('a call whose client leaves gives up its place in the queue; a shutdown ends the waiting calls', async () => {
  await using router = await startUpstream((res) => json(res, 429, {}, { 'retry-after': '20' }));
  await using rig = await startRig({ router: router.url, care: { ...CARE, retries: { ...CARE.retries, most: 0 } } });
  await ask(rig.url, { body: chat() });
  const req = request(`${rig.url}/v1/chat/completions`, { method: 'POST' });
  req.on('error', () => undefined);
  req.end(chat({ n: 2 }));
  const lane = () => [...rig.gateway.lanes()][0];
  await eventually('it waits', () => lane()?.waiting === 1);
  req.destroy();
  const [, left] = await rig.recorded(2);
  assert.deepEqual([left?.outcome, left?.attempts.length, left?.hasClientLeft], ['client_left', 0, true]);
  assert.equal(lane()?.waiting, 0);
  const waiting = ask(rig.url, { body: chat({ n: 3 }) }).catch(() => null);
  await eventually('it waits', () => lane()?.waiting === 1);
  const { cut } = await rig.gateway.drain(50);
  await waiting;
  assert.equal(cut, 1);
  assert.equal(router.received.length, 1);
});

test('a call that waited and cannot be sent is answered, and gives its permit back', async () => {
  await using router = await startUpstream(fine);
  let isBroken = false;
  class Broken extends Pool {
    override dispatch(...args: Parameters<Pool['dispatch']>): boolean {
      if (isBroken) throw new Error('no way out');
      return super.dispatch(...args);
    }
  }
  await using rig = await startRig({
    router: router.url,
    care: CARE,
    learned: [
      [
        { model: MODEL, provider: '' },
        { ...KNOWN, rate: { perSecond: 2 } },
      ],
    ],
    dispatcherFor: (origin) => new Broken(origin),
  });
  await ask(rig.url, { body: chat() });
  const lane = () => [...rig.gateway.lanes()][0];
  const waits = ask(rig.url, { body: chat({ n: 2 }) });
  await eventually('it waits', () => lane()?.waiting === 1);
  isBroken = true;
  assert.equal((await waits).status, 500);
  isBroken = false;
  assert.deepEqual([lane()?.inFlight, (await ask(rig.url, { body: chat({ n: 3 }) })).status], [0, 200]);
});

test('what unused lanes have learned is kept, up to a bound', () => {
  const known = Array.from({ length: 1_500 }, (_, n) => [{ model: `known-${n}`, provider: '' }, KNOWN] as const);
  const lanes = new Lanes({ now: () => 0, scale: 1 }, known);
  for (let n = 0; n < 5_000; n++) lanes.of(`model-${n}`, '', CARE);
  assert.equal(lanes.of('known-1499', '', CARE).learned.rate.perSecond, 1);
  assert.equal(lanes.of('known-0', '', CARE).learned.rate.perSecond, null);
});

test('calls that wait for a probe are sent as soon as it is answered, long before the next one is due', async () => {
  let passedMs = 0;
  const clock = { now: () => performance.now() + passedMs, scale: 1 };
  const cooldown = 600_000;
  const policy = { ...CARE, breaker: { faults: 1, cooldown, probes: 1 } };
  const lane = new Lane(policy, clock, { ...KNOWN, rate: { perSecond: 20 } });
  let went = 0;
  const enter = () =>
    lane.enter(
      {
        agent: 'a',
        credential: 'a',
        deadlineMs: Number.POSITIVE_INFINITY,
        canJoinBatch: false,
        admit: () => went++,
        refuse: () => assert.fail(),
      },
      false,
    ) as Permit;
  lane.release(enter(), 'server_error', null, { bodyOf: () => 'a body', isUnreachable: false });
  passedMs += cooldown;
  const probe = enter();
  assert.deepEqual([enter(), enter()], [null, null]);
  assert.equal(went, 0);
  lane.release(probe, 'ok', null);
  await eventually('both went', () => went === 2, { withinMs: cooldown / 10 });
});

test('Retry-After is read in seconds and as a date; without it, a used-up quota is read', () => {
  assert.equal(pauseOf({ 'retry-after': '7' }), 7_000);
  const inAMinute = pauseOf({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() });
  assert.ok(inAMinute !== null && inAMinute > 55_000 && inAMinute <= 60_000);
  assert.equal(pauseOf({ 'retry-after': 'soon' }), null);
  assert.equal(pauseOf({ ratelimit: '"api";r=0;t=55' }), 55_000);
  assert.equal(pauseOf({ ratelimit: '"api";r=5;t=55' }), null);
  assert.equal(pauseOf({}), null);
});
