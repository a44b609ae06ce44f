import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bypass } from '../../src/core/wire/bypass.ts';
import { readBypassReport } from '../../src/core/wire/bypass-schema.ts';
import type { Call } from '../../src/core/call.ts';
import { ask, json, startRig, startUpstream } from './rig.ts';

const path = '/upshift/outcomes';

const outcome = (changes: Partial<Bypass> = {}): Bypass => ({
  arrivedAtUs: Date.now() * 1_000 - 5_000_000,
  startedAfterUs: 1_000,
  durationUs: 900_000,
  firstByteUs: 200_000,
  model: 'acme/tiny',
  shape: 'chat+stream',
  agent: 'planner-7',
  status: 200,
  end: 'complete',
  hasNoToken: false,
  ...changes,
});

const body = (outcomes: readonly unknown[], dropped: unknown = 0) => JSON.stringify({ dropped, outcomes });

async function openRig(take?: (calls: readonly Call[], dropped: number) => Promise<number>) {
  const router = await startUpstream((res) => json(res, 200, {}));
  const rig = await startRig({ router: router.url, ...(take === undefined ? {} : { takeBypassed: take }) });
  return {
    rig,
    url: rig.url,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]().then(() => router[Symbol.asyncDispose]()),
  };
}

test('reported calls are stored as served by serverless, without a role', async () => {
  const taken: Call[] = [];
  await using desk = await openRig((calls, dropped) => {
    taken.push(...calls);
    return Promise.resolve(calls.length + dropped);
  });
  const none = { status: 0, firstByteUs: null };
  const reported = [
    outcome(),
    outcome({ status: 429 }),
    outcome({ end: 'broken' }),
    outcome({ end: 'left' }),
    outcome({ end: 'left', ...none }),
    outcome({ end: 'unreached', ...none, model: null, hasNoToken: true }),
  ];
  const answer = await ask(desk.url, { path, body: body(reported, 3) });
  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { taken: 9 }]);
  assert.deepEqual(
    taken.map((call) => [call.outcome, call.finalOutcome, call.servedBy, call.hasClientLeft, call.hasNoToken]),
    [
      ['ok', 'ok', 'serverless', false, false],
      ['rate_limited', 'rate_limited', 'serverless', false, false],
      ['broken_stream', 'broken_stream', 'serverless', false, false],
      ['client_left', 'client_left', 'serverless', true, false],
      ['client_left', 'client_left', null, true, false],
      ['connect_failed', 'connect_failed', null, false, true],
    ],
  );
  for (const call of taken) {
    const { role, isEligible, rolloutId, isBypass } = call;
    assert.deepEqual([role, isEligible, rolloutId, isBypass], [null, false, null, true]);
  }
  const [attempt] = taken[0]?.attempts ?? [];
  assert.deepEqual([attempt?.startedAfterUs, attempt?.firstByteUs, attempt?.durationUs], [1_000, 199_000, 899_000]);
  assert.equal(desk.rig.gateway.counters.requests, 0);
});

test('a report is stored whole or not at all, is accepted from programs only, and has a largest size', async () => {
  let count = 0;
  await using desk = await openRig((calls) => Promise.resolve((count += calls.length)));
  const status = async (wish: Parameters<typeof ask>[1]) => (await ask(desk.url, { path, ...wish })).status;
  for (const text of ['', '[]', '{}', 'null', body([outcome()], -1), '{"dropped":0,"outcomes":[],"more":1}']) {
    assert.equal(await status({ body: text }), 400, text);
  }
  assert.equal(await status({ body: body([outcome(), { ...outcome(), prompt: 'x' }]) }), 400);
  assert.equal(await status({ body: body(Array.from({ length: 501 }, () => outcome())) }), 400);
  assert.equal(await status({ body: 'x'.repeat(2 << 20) }), 413);
  assert.equal(await status({ body: body([outcome()]), headers: { origin: 'https://evil.example' } }), 403);
  assert.equal(await status({ method: 'GET' }), 404);
  assert.equal(count, 0);
  assert.equal(await status({ body: body([outcome()]) }), 200);
  assert.equal(await status({ body: body([outcome()]), headers: { origin: 'http://localhost:3000' } }), 200);
  assert.equal(count, 2);
});

test('if the ledger cannot be written, the answer asks to report again later', async () => {
  await using desk = await openRig(() => Promise.reject(new Error('not now')));
  const answer = await ask(desk.url, { path, body: body([outcome()]) });
  assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '5']);
  await using without = await openRig();
  assert.equal((await ask(without.url, { path, body: body([outcome()]) })).status, 404);
});

test('a report of an impossible call is refused', () => {
  const nowUs = Date.now() * 1_000;
  const read = (changes: object) => readBypassReport({ dropped: 0, outcomes: [outcome(changes)] }, nowUs);
  assert.deepEqual(read({}).outcomes.length, 1);
  const wrong: readonly object[] = [
    { arrivedAtUs: 1 },
    { arrivedAtUs: nowUs + 61_000_000 },
    { arrivedAtUs: nowUs + 0.5 },
    { durationUs: -1 },
    { durationUs: 500 },
    { startedAfterUs: 300_000 },
    { firstByteUs: 900_001 },
    { firstByteUs: null },
    { status: 0 },
    { status: 99 },
    { end: 'unreached' },
    { end: 'ok' },
    { shape: 'chat+tools+stream' },
    { shape: 'prompt' },
    { agent: '' },
    { agent: 'a\nb' },
    { agent: 'a'.repeat(129) },
    { agent: '\ud800' },
    { model: '' },
    { model: 'm'.repeat(1_025) },
    { hasNoToken: 1 },
  ];
  for (const changes of wrong) assert.throws(() => read(changes), { code: 'invalid' }, JSON.stringify(changes));
});

test('every invalid report fails with the same kind of error', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, key) => {
      for (const report of [
        value,
        { dropped: 0, outcomes: [value] },
        { dropped: 0, outcomes: [{ ...outcome(), [key]: value }] },
      ]) {
        try {
          readBypassReport(report, Date.now() * 1_000);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid');
        }
      }
    }),
    { numRuns: 200 },
  );
});
