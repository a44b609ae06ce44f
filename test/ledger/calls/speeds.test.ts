import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import { sha256 } from '../../../src/ledger/sha256.ts';
import { measuredSpeeds } from '../../../src/ledger/calls/speeds.ts';
import { clock, makeCall, START_MS, temporaryPath } from '../rig.ts';

const MODEL = 'org/model';

interface Past {
  readonly id: string;
  readonly instance: object | null;
  readonly maxReplica: number;
  readonly calls: readonly Partial<Call>[];
}

async function speedsOf(context: TestContext, pasts: readonly Past[]) {
  const path = temporaryPath(context);
  const ledger = await openLedger(path, { clock });
  let n = 0;
  for (const [i, { id, instance, maxReplica, calls }] of pasts.entries()) {
    const text = `policy ${i}`;
    const parsed = JSON.stringify({ routes: [{ model: MODEL, endpoint: { maxReplica } }] });
    const createdAt = START_MS - 1_000 + i;
    const snapshot = JSON.stringify({ id, ...(instance === null ? {} : { instance }) });
    await ledger.journal.commit({
      policy: { hash: sha256(text), path: 'policy.yaml', text, parsed },
      rollout: {
        id,
        model: MODEL,
        policyHash: sha256(text),
        toward: 'dedicated',
        phase: 'promoted',
        snapshot,
        createdAt,
        updatedAt: createdAt,
      },
      events: [],
      outcomes: [],
    });
    for (const changes of calls) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const base = makeCall(n++);
      ledger.calls.record(
        { ...base, model: MODEL, rolloutId: id, role: 'canary', servedBy: 'dedicated', ...changes },
        resolve,
      );
      await promise;
    }
  }
  await ledger.close();
  const db = openForReading(path);
  try {
    return Object.fromEntries(measuredSpeeds(db, MODEL));
  } finally {
    db.close();
  }
}

/** So many answers of 101 tokens, one begun each 100 ms, with `paceMs` from token to token. */
function answers(count: number, paceMs: number, more: Partial<Call> = {}): Partial<Call>[] {
  return Array.from({ length: count }, (_, i) => ({
    // No two calls arrive at once.
    arrivedAtUs: START_MS * 1_000 + paceMs * 60_000_000 + i * 100_000,
    durationUs: 200_000 + paceMs * 100_000,
    firstTokenUs: 200_000,
    outputTokens: 101,
    ...more,
  }));
}

const L4 = { instanceType: 'nvidia-l4', instanceSize: 'x1' };

describe('the speed of an instance', () => {
  it('is the middle pace of its answers, at so many in flight', async (context) => {
    const speeds = await speedsOf(context, [{ id: 'aaaaaaaa', instance: L4, maxReplica: 1, calls: answers(200, 20) }]);
    assert.deepEqual(Object.keys(speeds), ['nvidia-l4 x1']);
    const { perTokenUs = 0, inFlight = 0 } = speeds['nvidia-l4 x1'] ?? {};
    assert.equal(perTokenUs, 20_000);
    // 2.2 s each, one begun each 100 ms.
    assert.ok(Math.abs(inFlight - 22) < 0.5, String(inFlight));
  });

  it('is not told by few answers, by those of serverless, or where nobody knows how many replicas there were', async (context) => {
    const some = (id: string, more: Partial<Past>): Past => ({
      id,
      instance: L4,
      maxReplica: 1,
      calls: answers(60, 20),
      ...more,
    });
    const speeds = await speedsOf(context, [
      some('aaaaaaaa', { calls: answers(20, 20) }),
      some('bbbbbbbb', { calls: answers(60, 20, { servedBy: 'serverless' }) }),
      some('cccccccc', { maxReplica: 2 }),
      some('dddddddd', { instance: null }),
    ]);
    assert.deepEqual(speeds, {});
  });

  it('is that of the newest rollout that says enough', async (context) => {
    const speeds = await speedsOf(context, [
      { id: 'aaaaaaaa', instance: L4, maxReplica: 1, calls: answers(60, 20) },
      { id: 'bbbbbbbb', instance: L4, maxReplica: 1, calls: answers(60, 30) },
      { id: 'cccccccc', instance: L4, maxReplica: 1, calls: answers(5, 90) },
    ]);
    assert.equal(speeds['nvidia-l4 x1']?.perTokenUs, 30_000);
  });
});
