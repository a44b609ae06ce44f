import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { pairsNeeded, shareDifference, verdictOn } from '../../../src/core/compare/paired-share.ts';
import type { PairCounts, ShareRule } from '../../../src/core/compare/paired-share.ts';

const RULE: ShareRule = { margin: 0.1, error: 0.001 };
const counts = (pairs: number, onlyA: number, onlyB: number, both = 0): PairCounts => ({ pairs, onlyA, onlyB, both });

const someCounts = fc
  .tuple(fc.nat(60), fc.nat(60), fc.nat(60), fc.nat(200))
  .map(([onlyA, onlyB, both, neither]) => counts(onlyA + onlyB + both + neither, onlyA, onlyB, both));

/** The chance of each outcome of so many pairs that fall on A alone, on B alone, or on neither. */
function* outcomes(pairs: number, pA: number, pB: number): Generator<readonly [PairCounts, number]> {
  for (let onlyA = 0; onlyA <= pairs; onlyA++) {
    for (let onlyB = 0; onlyA + onlyB <= pairs; onlyB++) {
      const rest = pairs - onlyA - onlyB;
      const ways = logFactorial(pairs) - logFactorial(onlyA) - logFactorial(onlyB) - logFactorial(rest);
      const chance = Math.exp(ways + onlyA * Math.log(pA) + onlyB * Math.log(pB) + rest * Math.log(1 - pA - pB));
      yield [counts(pairs, onlyA, onlyB), chance];
    }
  }
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
}

describe('the difference of two shares on the same requests', () => {
  it('lies in its range, and turns round with the sides', () => {
    fc.assert(
      fc.property(someCounts, (one) => {
        const { difference, low, high, chance, a, b } = shareDifference(one);
        assert.ok(low <= difference + 1e-12 && difference <= high + 1e-12);
        assert.ok(Math.abs(b - a - difference) < 1e-12);
        const turned = shareDifference({ ...one, onlyA: one.onlyB, onlyB: one.onlyA });
        assert.ok(Math.abs(turned.low + high) < 1e-9 && Math.abs(turned.high + low) < 1e-9);
        assert.equal(turned.chance, chance);
      }),
    );
  });

  it('has a range whose ends are wrong as rarely as is said, by all outcomes of 40 pairs', () => {
    for (const [pA, pB] of [
      [0.01, 0.01],
      [0.02, 0.12],
      [0.3, 0.3],
      [0.25, 0.05],
    ] as const) {
      let [above, below] = [0, 0];
      for (const [one, chance] of outcomes(40, pA, pB)) {
        const { low, high } = shareDifference(one);
        if (low > pB - pA) above += chance;
        if (high < pB - pA) below += chance;
      }
      assert.ok(above <= 0.025 && below <= 0.025, `${pA} ${pB}: ${above} ${below}`);
    }
  });

  it('is called different by chance as rarely as the rule allows, whatever both sides have in common', () => {
    for (const p of [0.01, 0.1, 0.3, 0.45]) {
      let wrong = 0;
      for (const [one, chance] of outcomes(40, p, p)) {
        if (verdictOn(shareDifference(one), { margin: 0.1, error: 0.05 }) === 'different') wrong += chance;
      }
      assert.ok(wrong <= 0.05, `${p}: ${wrong}`);
    }
  });

  it('is the same, different or open by a table', () => {
    const table: readonly (readonly [one: PairCounts, verdict: string])[] = [
      [counts(0, 0, 0), 'open'],
      [counts(20, 0, 0), 'open'],
      [counts(80, 0, 0), 'same'],
      [counts(80, 0, 0, 60), 'same'],
      [counts(80, 2, 2), 'same'],
      [counts(80, 6, 6), 'open'],
      [counts(80, 0, 80), 'different'],
      [counts(80, 20, 0), 'different'],
      [counts(80, 0, 5), 'open'],
      // A trifle, however certain.
      [counts(100_000, 100, 300), 'same'],
    ];
    for (const [one, verdict] of table) {
      assert.equal(verdictOn(shareDifference(one), RULE), verdict, JSON.stringify(one));
    }
  });
});

describe('the pairs that are needed', () => {
  it('would decide, and fewer pairs in the same proportions are not needed if they decide', () => {
    fc.assert(
      fc.property(someCounts, (one) => {
        const needed = pairsNeeded(one, RULE);
        if (verdictOn(shareDifference(one), RULE) !== 'open' && one.pairs >= 10) assert.equal(needed, one.pairs);
        else assert.ok(needed === null || needed >= one.pairs);
      }),
      { numRuns: 30 },
    );
  });

  it('are more for a narrower margin, and not known for a difference at the margin', () => {
    const of = (margin: number) => pairsNeeded(counts(20, 0, 0), { ...RULE, margin }) ?? 0;
    assert.ok(of(0.02) > of(0.05) && of(0.05) > of(0.1) && of(0.1) > 20);
    assert.ok(of(0.1) < 60);
  });
});
