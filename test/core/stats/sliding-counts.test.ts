import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { SlidingCounts } from '../../../src/core/stats/sliding-counts.ts';

const step = fc.record({
  passes: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 60 })),
  column: fc.integer({ min: 0, max: 2 }),
  back: fc.integer({ min: -2, max: 12 }),
  change: fc.integer({ min: -3, max: 5 }),
});

describe('SlidingCounts', () => {
  it('agrees with a recount of all events, in each slot and in total', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(step, { maxLength: 60 }), (size, steps) => {
        const counts = new SlidingCounts(3, size);
        const added: { column: number; slot: number; change: number }[] = [];
        let now = 1_000;
        for (const { passes, column, back, change } of steps) {
          counts.advance((now += passes));
          assert.equal(counts.now, now);
          const slot = now - back;
          const isInside = back >= 0 && back < size;
          assert.equal(counts.add(column, slot, change), isInside);
          if (isInside) added.push({ column, slot, change });
          for (const each of [0, 1, 2]) {
            const left = added.filter((one) => one.column === each && one.slot > now - size);
            const sum = (all: typeof left) => all.reduce((total, one) => total + one.change, 0);
            assert.equal(counts.total(each), sum(left));
            for (let at = now - size - 1; at <= now + 1; at++) {
              assert.equal(counts.at(each, at), sum(left.filter((one) => one.slot === at)));
            }
          }
        }
      }),
    );
  });

  it('counts in the newest slot as in any other', () => {
    const [one, other] = [new SlidingCounts(2, 4), new SlidingCounts(2, 4)];
    for (const slot of [5, 5, 6, 9, 30, 31]) {
      one.advance(slot);
      one.count(1);
      other.advance(slot);
      other.add(1, slot);
      assert.deepEqual([one.total(1), one.at(1, slot)], [other.total(1), other.at(1, slot)]);
    }
  });

  it('counts nothing before the first slot is known, and never goes back', () => {
    const counts = new SlidingCounts(1, 5);
    assert.equal(counts.add(0, 7), false);
    counts.advance(7);
    assert.equal(counts.add(0, 7), true);
    counts.advance(3);
    assert.deepEqual([counts.now, counts.total(0)], [7, 1]);
  });
});
