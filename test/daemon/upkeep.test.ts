import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BookkeepingContext } from '../../src/daemon/money/bookkeeping.ts';
import type { Loop } from '../../src/daemon/loop.ts';
import { keepUp } from '../../src/daemon/upkeep.ts';

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
  const loop = { signal: stopping.signal, every: (ms: number, work: () => Promise<void>) => works.push({ ms, work }) };
  const context = { clock: { now: () => 7, scale: 100 }, journal: { closeCalls }, environment: { token: null } };
  keepUp(loop as unknown as Loop, context as unknown as BookkeepingContext);
  return { works, asked, stopping };
}

describe('upkeep', () => {
  it('closes days of calls piece by piece until nothing is left, by the clock of the ledger', async () => {
    const { works, asked } = upkeep(3);
    assert.deepEqual(
      works.map(({ ms }) => ms),
      [600],
    );
    await works[0]?.work();
    assert.deepEqual(asked, [7, 7, 7, 7]);
  });

  it('stops between two pieces when the daemon stops', async () => {
    const { works, asked, stopping } = upkeep(Infinity);
    const work = works[0]?.work();
    stopping.abort();
    await work;
    assert.equal(asked.length, 1);
  });
});
