import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { RefusedRuns } from '../../../src/core/care/refused-runs.ts';

const FAR = 10;

/** The same by definition: every refused number is kept. */
function runOf(refused: ReadonlySet<number>, sequence: number) {
  let [first, last, cleanBefore] = [sequence, sequence, 0];
  while (refused.has(first - 1)) first--;
  while (refused.has(last + 1)) last++;
  for (let at = first - 1; at >= 1 && cleanBefore < FAR && !refused.has(at); at--) cleanBefore++;
  return { length: last - first + 1, cleanBefore };
}

describe('runs of refused calls', () => {
  it('are the same in whatever order the refusals come', () => {
    const order = fc
      .uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 })
      .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));
    fc.assert(
      fc.property(order, (sequences) => {
        const runs = new RefusedRuns();
        const refused = new Set<number>();
        for (const sequence of sequences) {
          refused.add(sequence);
          assert.deepEqual(runs.add(sequence, FAR), runOf(refused, sequence));
        }
      }),
    );
  });

  it('begin anew once they are forgotten, and no call from before counts as taken', () => {
    const runs = new RefusedRuns();
    for (const sequence of [5, 6, 7]) runs.add(sequence, FAR);
    runs.clear(8);
    assert.deepEqual(runs.add(10, FAR), { length: 1, cleanBefore: 2 });
  });

  it('remember only the latest refusals', () => {
    const runs = new RefusedRuns();
    for (let sequence = 1; sequence <= 10_000; sequence++) assert.ok(runs.add(sequence, FAR).length <= 100);
  });
});
