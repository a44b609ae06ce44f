import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { RoleFigures } from '../../src/core/figures.ts';
import { NO_FIGURES } from '../../src/core/figures.ts';
import { judge } from '../../src/core/old-verdict.ts';
import { roleFigures, routePolicy } from '../support/samples.ts';

const { limits } = routePolicy();

const figures: fc.Arbitrary<RoleFigures> = fc
  .record({ decided: fc.nat(1_000), faulty: fc.double({ min: 0, max: 1, noNaN: true }), p95: fc.nat(60_000) })
  .map(({ decided, faulty, p95 }) => {
    const faults = Math.floor(decided * faulty);
    const hasAnswers = decided > faults;
    return roleFigures({
      assigned: decided,
      decided,
      faults,
      p50: hasAnswers ? p95 / 2 : null,
      p95: hasAnswers ? p95 : null,
    });
  });

describe('judge', () => {
  const cases: readonly [why: string, stable: Partial<RoleFigures>, canary: Partial<RoleFigures>, status: string][] = [
    ['two alike', {}, {}, 'pass'],
    ['nothing decided on the canary', {}, NO_FIGURES, 'no data'],
    ['one call too few on the canary', {}, { decided: 199 }, 'inconclusive'],
    ['one call too few on stable', { decided: 199 }, {}, 'inconclusive'],
    ['exactly enough calls of each', { decided: 200 }, { decided: 200 }, 'pass'],
    ['errors just within the margin', { decided: 1000 }, { decided: 1000, faults: 5 }, 'pass'],
    ['errors just beyond the margin', { decided: 1000 }, { decided: 1000, faults: 6 }, 'fail'],
    ['no more errors than a bad stable', { faults: 30 }, { faults: 30 }, 'pass'],
    ['429s of serverless', { refused: 250 }, { faults: 30 }, 'fail'],
    ['a p95 just within the ratio', { p95: 1000 }, { p95: 1200 }, 'pass'],
    ['a p95 just beyond the ratio', { p95: 1000 }, { p95: 1201 }, 'fail'],
    ['a p95 beyond the ratio but below the floor', { p95: 100 }, { p95: 149 }, 'pass'],
    ['a p95 beyond ratio and floor', { p95: 100 }, { p95: 151 }, 'fail'],
    ['a canary that answered nothing', {}, { faults: 300, p95: null }, 'fail'],
    ['a stable that answered nothing', { faults: 300, p95: null }, {}, 'inconclusive'],
    ['answers that only the canary refuses to give', {}, { rejected: 300 }, 'fail'],
    ['answers that both refuse to give', { rejected: 30 }, { rejected: 30 }, 'pass'],
    ['clients that leave only the canary before its first byte', {}, { left: 100 }, 'fail'],
    ['clients that leave both', { left: 100 }, { left: 100 }, 'pass'],
  ];
  for (const [why, stable, canary, status] of cases) {
    it(`says "${status}" of ${why}`, () => {
      assert.equal(judge(roleFigures(stable), roleFigures(canary), limits, null).status, status);
    });
  }

  it('gives each compared figure with its limit', () => {
    const verdict = judge(roleFigures({ faults: 3, p95: 1000 }), roleFigures({ faults: 3, p95: 1500 }), limits, null);
    assert.deepEqual(verdict.metrics, [
      { metric: 'errors', stable: 0.01, canary: 0.01, limit: 0.015, isWithin: true },
      { metric: 'rejections', stable: 0, canary: 0, limit: 0.005, isWithin: true },
      { metric: 'left', stable: 0, canary: 0, limit: 0.05, isWithin: true },
      { metric: 'p95', stable: 1000, canary: 1500, limit: 1200, isWithin: false },
    ]);
    assert.equal(verdict.summary, 'p95 1500 ms against 1000 ms (limit 1200 ms)');
  });

  it('compares with the last step that had a stable role where this one has none, and says so', () => {
    const verdict = judge(NO_FIGURES, roleFigures(), limits, { step: 4, stable: roleFigures() });
    assert.equal(verdict.status, 'pass');
    assert.equal(verdict.baselineStep, 4);
    assert.match(verdict.summary, /\(stable as of step 4\)$/);
  });

  it('needs enough calls in a baseline too', () => {
    const verdict = judge(NO_FIGURES, roleFigures(), limits, { step: 4, stable: roleFigures({ decided: 10 }) });
    assert.equal(verdict.status, 'inconclusive');
  });

  it('prefers its own stable figures to a baseline where there are enough', () => {
    const verdict = judge(roleFigures({ p95: 5000 }), roleFigures({ p95: 5000 }), limits, {
      step: 4,
      stable: roleFigures(),
    });
    assert.equal(verdict.status, 'pass');
    assert.equal(verdict.baselineStep, null);
  });

  it('never passes without enough decided calls on both sides', () => {
    fc.assert(
      fc.property(figures, figures, (stable, canary) => {
        const { status } = judge(stable, canary, limits, null);
        const isEnough = stable.decided >= limits.minCalls && canary.decided >= limits.minCalls;
        assert.equal(status === 'pass' || status === 'fail', isEnough && stable.p95 !== null);
      }),
    );
  });

  it('never turns a fail into a pass because the canary fails more', () => {
    fc.assert(
      fc.property(figures, figures, fc.nat(50), (stable, canary, more) => {
        const before = judge(stable, canary, limits, null);
        const worse = { ...canary, faults: Math.min(canary.decided, canary.faults + more) };
        if (before.status === 'fail') assert.equal(judge(stable, worse, limits, null).status, 'fail');
      }),
    );
  });

  it('gives only numbers that JSON can hold', () => {
    fc.assert(
      fc.property(figures, figures, (stable, canary) => {
        const verdict = judge(stable, canary, limits, null);
        assert.deepEqual(JSON.parse(JSON.stringify(verdict)), verdict);
      }),
    );
  });
});
