import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { FINE, Histogram } from '../../../src/core/stats/histogram.ts';

describe('Histogram', () => {
  it('has no quantile without values', () => {
    assert.equal(new Histogram(FINE).quantile(0.5), null);
  });

  it('gives any quantile within 1 % of the exact one', () => {
    const values = fc.array(fc.double({ min: 1, max: 1e10, noNaN: true }), { minLength: 1, maxLength: 300 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(values, share, (numbers, q) => {
        const histogram = new Histogram(FINE);
        for (const number of numbers) histogram.add(number);
        const sorted = numbers.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] as number;
        const found = histogram.quantile(q);
        assert.ok(found !== null && Math.abs(found - exact) <= exact * 0.01, `${found} instead of ${exact}`);
      }),
    );
  });

  it('does not depend on the order of values', () => {
    const values = fc.array(fc.integer({ min: 0, max: 1e7 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, (numbers) => {
        const [forward, backward] = [new Histogram(FINE), new Histogram(FINE)];
        for (const number of numbers) forward.add(number);
        for (const number of numbers.toReversed()) backward.add(number);
        for (const q of [0.5, 0.95]) assert.equal(forward.quantile(q), backward.quantile(q));
      }),
    );
  });

  it('counts values that are too small or too large in its outermost buckets', () => {
    const histogram = new Histogram(FINE);
    for (const value of [0, -1, 1, 1e300]) histogram.add(value);
    assert.equal(histogram.total, 4);
    assert.equal(histogram.quantile(0.75), 1);
    assert.ok((histogram.quantile(1) as number) > 2e10);
  });
});
