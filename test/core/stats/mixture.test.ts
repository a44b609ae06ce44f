import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bestRho, boundApart, logOddsAbove, logOddsApart } from '../../../src/core/stats/mixture.ts';
import { logNormalCdf } from '../../../src/core/stats/normal.ts';

function near(found: number, known: number, tolerance = 1e-5): void {
  assert.ok(Math.abs(found - known) <= tolerance * Math.max(1, Math.abs(known)), `${found} instead of ${known}`);
}

/** Published values: the tests of confseq, at an optimal V of 100 and alpha 0.05. */
describe('normal mixture', () => {
  it('has the same rho as confseq', () => near(bestRho(100, 0.05), 12.60056));

  it('gives the odds and the bound of the two-sided test', () => {
    const rho = bestRho(100, 0.05);
    near(logOddsApart(10, 100, rho), -0.6510052);
    near(boundApart(100, rho, 0.05), 30.35209);
  });

  it('gives the odds and the bound of the one-sided test', () => {
    const rho = bestRho(100, 0.1);
    near(logOddsAbove(10, 100, rho), -0.06502391);
    let [low, high] = [0, 100];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (logOddsAbove(middle, 100, rho) < Math.log(20)) low = middle;
      else high = middle;
    }
    near(low, 27.66071);
  });

  it('gives odds of 1 before any data', () => near(logOddsAbove(0, 0, 5), 0, 1e-6));
});

describe('log of the normal distribution function', () => {
  it('is right in the middle and in both tails', () => {
    near(logNormalCdf(0), Math.log(0.5), 1e-6);
    near(logNormalCdf(1.959963985), Math.log(0.975), 1e-6);
    near(logNormalCdf(-1.959963985), Math.log(0.025), 1e-6);
    near(logNormalCdf(-10), -53.23128515051247, 1e-6);
    near(logNormalCdf(-40), -804.608442013754, 1e-6);
  });
});
