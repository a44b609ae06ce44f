import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Loop } from '../../src/daemon/loop.ts';
import { keepUp } from '../../src/daemon/upkeep.ts';
import type { Fault } from '../../src/ledger/presence.ts';
import { DAY_MS } from '../../src/core/time.ts';
import type { DailyCheckpoint } from '../../src/ledger/journal/daily.ts';

/** The work that is repeated, with a journal that has so many pieces to close; without a token there are no books. */
function upkeep(pieces: number) {
  const stopping = new AbortController();
  const works: { readonly ms: number; readonly work: () => Promise<void> }[] = [];
  const asked: number[] = [];
  const closeCalls = (now: number) => {
    asked.push(now);
    if (asked.length === 1_000) stopping.abort();
    return Promise.resolve(asked.length <= pieces);
  };
  const checkpoints: (DailyCheckpoint | null)[] = [];
  const ages: number[] = [];
  const keepCheckpoint = (leastAgeMs: number) => {
    ages.push(leastAgeMs);
    return Promise.resolve(checkpoints.shift() ?? null);
  };
  const scheduled: { readonly expression: string; readonly work: () => Promise<void> }[] = [];
  const begun: Promise<void>[] = [];
  const loop = {
    signal: stopping.signal,
    every: (ms: number, work: () => Promise<void>) => works.push({ ms, work }),
    schedule: (expression: string, work: () => Promise<void>) => scheduled.push({ expression, work }),
    inBackground: (work: Promise<void>) => begun.push(work),
  };
  const faults: Fault[] = [];
  const taken: DailyCheckpoint[] = [];
  const logged: unknown[] = [];
  const context = {
    clock: { now: () => 7, scale: 100 },
    journal: { closeCalls, keepCheckpoint },
    environment: { token: null },
    log: (...told: unknown[]) => logged.push(told),
    fault: () => faults[0] ?? null,
    checkpointed: (checkpoint: DailyCheckpoint) => taken.push(checkpoint),
  };
  const start = () => keepUp(loop as unknown as Loop, context as unknown as Parameters<typeof keepUp>[1]);
  return { start, works, asked, stopping, checkpoints, ages, scheduled, begun, faults, taken, logged };
}

describe('upkeep', () => {
  it('closes days of calls piece by piece until nothing is left, by the clock of the ledger', async () => {
    const { start, works, asked } = upkeep(3);
    start();
    assert.deepEqual(
      works.map(({ ms }) => ms),
      [500, 600],
    );
    await works[1]?.work();
    assert.deepEqual(asked, [7, 7, 7, 7]);
  });

  it('stops between two pieces when the daemon stops', async () => {
    const { start, works, asked, stopping } = upkeep(Infinity);
    start();
    const work = works[1]?.work();
    stopping.abort();
    await work;
    assert.equal(asked.length, 1);
  });

  it('says once that a file of the ledger is gone, and once that it is back', async () => {
    const { start, works, faults, logged } = upkeep(0);
    start();
    const look = async () => works[0]?.work();
    await look();
    faults.push({ kind: 'ledger', text: 'it was moved' });
    for (let i = 0; i < 3; i++) await look();
    faults.pop();
    for (let i = 0; i < 3; i++) await look();
    assert.deepEqual(logged, [
      [
        'error',
        'a file of the ledger is gone: nothing is decided until it is back',
        { kind: 'ledger', fault: 'it was moved' },
      ],
      ['info', 'the ledger is where it was again'],
    ]);
  });

  it('writes a checkpoint each day at half past one, and one at the start if the newest is a day old', async () => {
    const { start, checkpoints, ages, scheduled, begun, taken, logged } = upkeep(0);
    const old = { origin: 'upshift/0123abcd', seals: 3, hash: 'ab', at: 1, note: null };
    const fresh = { ...old, seals: 9, at: 2, note: 'signed' };
    checkpoints.push(old, fresh, null);
    start();
    await Promise.all(begun);
    assert.deepEqual([taken, logged], [[old], []]);
    assert.deepEqual(
      scheduled.map(({ expression }) => expression),
      ['30 1 * * *'],
    );
    await scheduled[0]?.work();
    assert.deepEqual(
      [taken, logged],
      [[old, fresh], [['info', 'checkpoint', { seals: 9, hash: 'ab', note: 'signed' }]]],
    );
    // An empty ledger has none.
    await scheduled[0]?.work();
    assert.equal(taken.length, 2);
    assert.deepEqual(ages, [DAY_MS, 0, 0]);
  });
});
