import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { chanceOfAtLeast, chanceOfAtMost, shareRange, signTest } from '../../../src/core/stats/binomial.ts';

/** The chances of 0 to n successes, one trial after the other. */
function chances(n: number, p: number): number[] {
  let all = [1];
  for (let trial = 0; trial < n; trial++) {
    all = [...all, 0].map((chance, k) => chance * (1 - p) + (all[k - 1] ?? 0) * p);
  }
  return all;
}

const trials = fc.integer({ min: 1, max: 60 });
const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });

describe('binomial counts', () => {
  it('have the chances of trials that are made one after the other', () => {
    fc.assert(
      fc.property(trials, share, fc.nat(60), (n, p, k) => {
        const all = chances(n, p);
        const sum = (from: number, to: number) => all.slice(from, to + 1).reduce((total, one) => total + one, 0);
        assert.ok(Math.abs(chanceOfAtLeast(k, n, p) - sum(k, n)) < 1e-9);
        assert.ok(Math.abs(chanceOfAtMost(k, n, p) - sum(0, k)) < 1e-9);
      }),
    );
  });

  it('give a range that misses the true share as rarely as it says, whatever the share', () => {
    fc.assert(
      fc.property(trials, share, fc.constantFrom(0.05, 0.025, 0.001), (n, p, alpha) => {
        const all = chances(n, p);
        const missed = (isMissed: (range: { low: number; high: number }) => boolean) =>
          all.reduce((sum, chance, k) => sum + (isMissed(shareRange(k, n, alpha)) ? chance : 0), 0);
        assert.ok(missed(({ low }) => low > p) <= alpha + 1e-9);
        assert.ok(missed(({ high }) => high < p) <= alpha + 1e-9);
      }),
      { numRuns: 40 },
    );
  });

  it('give known ranges', () => {
    const cases = [
      [0, 80, 0.025, 0, 0.0451],
      [5, 100, 0.025, 0.0164, 0.1128],
      [200, 200, 0.025, 0.9817, 1],
      [0, 0, 0.025, 0, 1],
    ] as const;
    for (const [k, n, alpha, low, high] of cases) {
      const range = shareRange(k, n, alpha);
      assert.deepEqual([range.low.toFixed(4), range.high.toFixed(4)], [low.toFixed(4), high.toFixed(4)], `${k}/${n}`);
    }
  });

  it('stay exact for large counts', () => {
    assert.ok(Math.abs(chanceOfAtLeast(50_000, 99_999, 0.5) - 0.5) < 1e-9);
    // 3.16 standard deviations, by the normal distribution.
    assert.ok(Math.abs(chanceOfAtLeast(50_500, 100_000, 0.5) / 7.94e-4 - 1) < 0.02);
  });
});

describe('the sign test', () => {
  it('is that of fair coins, and the same from both sides', () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), (one, other) => {
        const chance = signTest(one, other);
        assert.equal(chance, signTest(other, one));
        const all = chances(one + other, 0.5);
        const tail = all.slice(Math.max(one, other)).reduce((sum, each) => sum + each, 0);
        assert.ok(Math.abs(chance - Math.min(1, 2 * tail)) < 1e-9);
      }),
    );
  });

  it('cannot tell without events', () => assert.equal(signTest(0, 0), 1));
});
