import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import type { LoggedUsage } from '../../../src/ledger/calls/usage.ts';
import { namesOf, usageCalls } from '../../../src/ledger/calls/usage.ts';
import { clock, makeCall, START_MS, temporaryPath } from '../rig.ts';

type Told = Omit<LoggedUsage, 'model' | 'agent'> & { readonly model: string; readonly agent: string };

/** What the ledger tells of calls that were written to it. */
async function told(
  context: TestContext,
  calls: readonly Call[],
  { afterMs = 0, untilMs = Number.MAX_SAFE_INTEGER / 1_000, model = null as string | null } = {},
): Promise<Told[]> {
  const path = temporaryPath(context);
  const ledger = await openLedger(path, { clock });
  for (const call of calls) ledger.calls.record(call, () => undefined);
  await ledger.close();
  const db = openForReading(path);
  context.after(() => db.close());
  const names = namesOf(db);
  const span = { afterUs: afterMs * 1_000, untilUs: untilMs * 1_000, model };
  return [...usageCalls(db, span)].map((one) => ({
    ...one,
    model: names.model(one.model),
    agent: names.agent(one.agent),
  }));
}

describe('the calls that usage reads', () => {
  it('are all there once, whatever a page holds, in the order of their ends', async (context) => {
    const calls = Array.from({ length: 41_000 }, (_, n) => makeCall(n));
    const found = await told(context, calls);
    assert.equal(found.length, calls.length);
    assert.ok(found.every((one, i) => i === 0 || one.endedAtMs > (found[i - 1]?.endedAtMs ?? 0)));
    const arrived = new Set(found.map(({ arrivedAtMs }) => Math.round(arrivedAtMs * 1_000)));
    assert.ok(calls.every(({ arrivedAtUs }) => arrived.has(arrivedAtUs)));
  });

  it('say whose they are, where they went, and what was refused or repeated', async (context) => {
    const base = { role: null, rolloutId: null, model: 'a/b', servedBy: 'serverless' } as const;
    const calls = [
      makeCall(1, { ...base, agent: 'ann', promptTokens: 5, outputTokens: 7 }),
      makeCall(2, { ...base, outcome: 'rate_limited', promptTokens: null, outputTokens: null }),
      makeCall(3, { ...base, waitedUs: 1_000_000 }),
      makeCall(4, { ...base, repeatOfUs: START_MS * 1_000 }),
      makeCall(5, { ...base, role: 'canary', rolloutId: 'x', servedBy: 'dedicated', outcome: 'rate_limited' }),
      makeCall(6, { model: null }),
    ];
    const found = (await told(context, calls)).sort((a, b) => a.arrivedAtMs - b.arrivedAtMs);
    assert.deepEqual(
      found.map(({ isRefused, isRepeat, isDedicated }) => [isRefused, isRepeat, isDedicated]),
      [
        [false, false, false],
        [true, false, false],
        [true, false, false],
        [false, true, false],
        [false, false, true],
      ],
    );
    const [first, second] = found;
    assert.deepEqual([first?.model, first?.agent, first?.tokens, second?.tokens], ['a/b', 'ann', 12, 0]);
  });

  it('are those that ended within a span, of one model where it is named', async (context) => {
    const calls = Array.from({ length: 200 }, (_, n) => makeCall(n, { durationUs: 1_000_000 }));
    const span = { afterMs: START_MS + 1_100, untilMs: START_MS + 1_200 };
    const found = await told(context, calls, { ...span, model: 'org/other' });
    assert.deepEqual(
      found.map(({ endedAtMs }) => endedAtMs - START_MS),
      Array.from({ length: 10 }, (_, i) => 1_110 + i * 10),
    );
    assert.ok(found.every(({ model }) => model === 'org/other'));
  });
});
