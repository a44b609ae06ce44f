import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { AttemptRecord, Call } from '../../../src/core/call.ts';
import { asksOf } from '../../../src/core/judge/asks.ts';
import { knownOf } from '../../../src/core/judge/call-order.ts';
import { decodeAgreement } from '../../../src/core/form/agreement.ts';
import type { Agreement } from '../../../src/core/form/agreement.ts';
import { keyOf } from '../../../src/core/judge/shadow-pairs.ts';
import { judgedCalls } from '../../../src/ledger/calls/arrivals.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { pairs } from '../../../src/ledger/calls/pairs.ts';
import type { Ledger } from '../../../src/ledger/open.ts';
import { START_MS, makeCall, makeEntry, makeShadow, openFor, temporaryPath } from '../rig.ts';

const ROLLOUT = 'abcdefgh';
/** Agreements as the ledger gives them back. */
const AGREEMENTS: readonly Agreement[] = [
  { finish: true, tools: false, args: null, text: 0.5, cosine: null },
  { finish: null, tools: null, args: true, text: null, cosine: decodeAgreement(64 * 128 * 50).cosine },
];

async function write(ledger: Ledger, calls: readonly Call[]): Promise<void> {
  const ends = [...calls].sort((a, b) => a.arrivedAtUs + a.durationUs - b.arrivedAtUs - b.durationUs);
  for (const call of ends) ledger.calls.record(call, () => undefined);
  assert.equal(await ledger.calls.flush(), true);
}

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}

/** As deepEqual, but tells of the first difference alone: to tell of all takes it minutes where there are thousands. */
function assertSame(found: readonly unknown[], expected: readonly unknown[]): void {
  const at = expected.findIndex((one, i) => !isDeepStrictEqual(found[i], one));
  if (at >= 0) assert.deepEqual(found[at], expected[at], `at ${at}`);
  assert.equal(found.length, expected.length);
}

const SHAPES = ['chat', 'chat+tools', 'chat+stream+structured', 'chat+stream+tools+structured'];

/** A call as the call order had it. */
function ordered(call: Call): object {
  const { gatewayId, arrivedAtUs, role, step, weight, unit, waitedUs, durationUs } = call;
  // One that was never sent was held until it ended.
  const assignedAtUs = arrivedAtUs + (call.attempts[0]?.startedAfterUs ?? durationUs) - waitedUs;
  return {
    gatewayId,
    arrivedAtUs,
    assignedAtUs,
    waitedUs,
    role,
    step,
    weight,
    ...(unit !== undefined && { unit }),
    asks: asksOf(call.shape),
    ...knownOf(call),
  };
}

/** A call of the endpoint that failed with a status, or with none, and was served by serverless afterwards. */
function fallenBack(n: number, status: number): Call {
  const call = makeCall(n, { role: 'canary' });
  const durationUs = 300_000;
  const failed: AttemptRecord = {
    upstream: 'dedicated',
    startedAfterUs: 200,
    status,
    outcome: status === 0 ? 'connect_failed' : 'server_error',
    firstByteUs: status === 0 ? null : 90_000,
    durationUs,
  };
  const startedAfterUs = 200 + durationUs;
  const served: AttemptRecord = {
    ...failed,
    upstream: 'serverless',
    startedAfterUs,
    durationUs: call.durationUs - startedAfterUs,
  };
  return { ...call, servedBy: 'serverless', outcome: failed.outcome, attempts: [failed, { ...served, outcome: 'ok' }] };
}

/** A call that was held because of a limit, and then sent or refused. */
function held(n: number, isSent: boolean): Call {
  const waitedUs = 1_500_000;
  const call = makeCall(n);
  const [first] = call.attempts as [AttemptRecord];
  const durationUs = call.durationUs + waitedUs;
  const uploadUs = first.startedAfterUs;
  if (!isSent) return { ...call, outcome: 'rate_limited', attempts: [], durationUs: uploadUs + waitedUs, waitedUs };
  const firstTokenUs = call.firstTokenUs === null ? null : call.firstTokenUs + waitedUs;
  return { ...call, durationUs, firstTokenUs, waitedUs, attempts: [{ ...first, startedAfterUs: uploadUs + waitedUs }] };
}

describe('calls in the order of their arrival', () => {
  it('keeps when calls were assigned that were never sent, though many ended at the same moment', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    const first = held(0, false);
    const uploadUs = first.durationUs - first.waitedUs;
    const calls = Array.from({ length: 40 }, (_, n) => {
      const arrivedAtUs = first.arrivedAtUs + n;
      const durationUs = first.durationUs - n;
      return { ...first, rolloutId: ROLLOUT, step: 1, arrivedAtUs, durationUs, waitedUs: durationUs - uploadUs };
    });
    await write(ledger, calls);
    const db = openForReading(path);
    const found = [...judgedCalls(db, ROLLOUT)];
    db.close();
    assert.deepEqual(
      found.map(({ assignedAtUs, knownAfterUs }) => [assignedAtUs, knownAfterUs]),
      calls.map(({ arrivedAtUs }) => [arrivedAtUs + uploadUs, uploadUs]),
    );
  });

  it('are as the judge was given them when they ended, bit for bit, though their keys were moved', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    await ledger.journal.commit(makeEntry(1));
    const endUs = START_MS * 1_000 + 30_000_000;
    const calls = Array.from({ length: 12_000 }, (_, n) => {
      if (n % 50 === 0) return fallenBack(n, [0, 500, 422][(n / 50) % 3] as number);
      if (n % 11 === 0) return held(n, n % 2 === 0);
      const unit = n % 5 === 0 ? { unit: Number.MAX_SAFE_INTEGER - n } : {};
      const shape = SHAPES[n % 4] as string;
      if (n % 7 !== 0) return makeCall(n, { firstTokenUs: n % 3 === 0 ? null : 17, shape, ...unit });
      // Very many end in the same microsecond.
      const { arrivedAtUs, attempts } = makeCall(n);
      const durationUs = endUs - arrivedAtUs;
      return makeCall(n, {
        durationUs,
        attempts: [{ ...(attempts[0] as AttemptRecord), startedAfterUs: 0, durationUs }],
      });
    });
    const others = [
      makeCall(12_001, { rolloutId: 'zzzzzzzz' }),
      makeCall(12_002, { role: null }),
      makeCall(12_003, { isEligible: false }),
    ];
    await write(ledger, [...calls, ...others]);
    const expected = calls.map(ordered);
    const found = await all(ledger.journal.judgedCalls(ROLLOUT));
    assertSame(found, expected);
    const db = openForReading(path);
    assertSame([...judgedCalls(db, ROLLOUT)], expected);
    assert.deepEqual([...judgedCalls(db, 'nowhere')], []);
    db.close();
    assert.deepEqual(await all(ledger.journal.judgedCalls('nowhere')), []);
    await ledger.close();
  });

  it('of a model’s past are those that serverless was asked for, within a span', async (context) => {
    const ledger = await openFor(context, temporaryPath(context));
    const watched = { model: 'org/model', rolloutId: null, role: null, wasFull: false } as const;
    const calls = Array.from({ length: 11_000 }, (_, n) =>
      makeCall(n, { ...watched, isEligible: false, servedBy: 'serverless' }),
    );
    const others = [
      makeCall(11_000, { ...watched, role: 'canary' }),
      makeCall(11_001, { ...watched, role: 'stable', shape: 'native' }),
      makeCall(11_002, { ...watched, model: 'org/other', role: 'stable' }),
      makeCall(11_003, { ...watched, wasFull: true }),
    ];
    await write(ledger, [...calls, ...others]);
    const found = await all(ledger.journal.historyCalls('org/model', 0, Number.MAX_SAFE_INTEGER));
    const pick = ({
      arrivedAtUs,
      durationUs,
      outcome,
      firstTokenUs,
      promptTokens,
      outputTokens,
      isEmpty,
      form,
    }: Call) => ({
      arrivedAtUs,
      durationUs,
      outcome,
      firstTokenUs,
      promptTokens,
      outputTokens,
      isEmpty,
      form,
    });
    assertSame(found, calls.map(pick));
    const [sinceUs, untilUs] = [START_MS * 1_000 + 3_000_000, START_MS * 1_000 + 9_000_000];
    const ended = ({ arrivedAtUs, durationUs }: Call) => arrivedAtUs + durationUs;
    const within = calls.filter((call) => ended(call) >= sinceUs && ended(call) <= untilUs);
    assert.ok(within.length > 100 && within.length < calls.length);
    assertSame(await all(ledger.journal.historyCalls('org/model', sinceUs, untilUs)), within.map(pick));
    assert.deepEqual(await all(ledger.journal.historyCalls('org/none', 0, untilUs)), []);
    await ledger.close();
  });

  it('have their copies beside them, in pairs', async (context) => {
    const path = temporaryPath(context);
    const ledger = await openFor(context, path);
    await ledger.journal.commit(makeEntry(1));
    const shadowed = { role: 'stable', step: 0, weight: 0, hasShadow: true } as const;
    // Of each pair the half that ended last has the agreement; of every fifth pair it is not known.
    const agreementOf = (i: number, isLive: boolean) =>
      (i - 10) % 5 !== 0 && isLive === (i % 3 === 0) ? { agreement: AGREEMENTS[i % 2] as Agreement } : {};
    const calls = Array.from({ length: 6_000 }, (_, n) =>
      makeCall(
        n,
        n % 2 === 0
          ? {
              ...shadowed,
              outcome: n % 20 === 0 ? 'rate_limited' : 'ok',
              provider: ['groq', 'together', null][n % 3] as string | null,
              ...agreementOf(n / 2, true),
              step: n % 3,
              shape: SHAPES[(n / 2) % 4] as string,
            }
          : { ...shadowed, hasShadow: false },
      ),
    );
    const shadows = Array.from({ length: 3_000 }, (_, i) =>
      makeShadow(
        2 * i,
        i % 9 === 0
          ? { status: 0, outcome: 'connect_failed', firstByteUs: null, firstTokenUs: null, ...agreementOf(i, false) }
          : agreementOf(i, false),
      ),
    );
    // Copies end in any order; of some the live call is missing, and of some calls the copy.
    for (const shadow of [...shadows.slice(10), makeShadow(9_000)].toReversed()) ledger.calls.recordShadow(shadow);
    await write(ledger, calls);
    const expected = shadows.slice(10).map((shadow, i) => {
      const { outcome, knownAfterUs, durationUs, firstTokenUs, promptTokens, outputTokens, isEmpty, form } = shadow;
      const times = { knownAfterUs, durationUs, firstTokenUs };
      const agreement = i % 5 === 0 ? {} : { agreement: AGREEMENTS[i % 2] };
      const canary = { outcome, ...times, promptTokens, outputTokens, isEmpty, form, ...agreement };
      const live = calls[2 * (i + 10)] as Call;
      const stable = { ...ordered(live) } as Record<string, unknown>;
      delete stable['agreement'];
      return { ...keyOf(live), stable, canary };
    });
    assertSame(await all(ledger.journal.pairs(ROLLOUT)), expected);
    const db = openForReading(path);
    assertSame([...pairs(db, ROLLOUT)], expected);
    assert.deepEqual([...pairs(db, 'nowhere')], []);
    db.close();
    await ledger.close();
  });
});
