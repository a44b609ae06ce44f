import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changedText } from '../../../src/core/decide/evidence.ts';
import type { MetricVerdict, Verdict } from '../../../src/core/judge/verdict.ts';
import { verdictOn } from '../../support/samples.ts';

/** A verdict on one metric whose difference has this range. */
function ranged(metric: MetricVerdict['metric'], low: number, high: number, margin: number): Verdict {
  const odds = { passOdds: 30, passAt: 20, stepOdds: 30, stepAt: 20, failOdds: 1, failAt: 1_000 };
  const figures = { stable: 0.3, canary: 0.3, effect: 0, low, high, margin };
  return { ...verdictOn(1), metrics: [{ metric, judge: 'act', status: 'pass', ...figures, ...odds }] };
}

describe('the evidence of an open question', () => {
  const cases: readonly [string, Verdict, Verdict, RegExp | null][] = [
    ['may be worse', ranged('tools', -0.01, 0, 0.02), ranged('tools', -0.01, 0.01, 0.02), /up to \+1\.00 points now/],
    ['is as it was', ranged('tools', -0.01, 0, 0.02), ranged('tools', -0.05, 0, 0.02), null],
    [
      'may be less where less is worse too',
      ranged('reasoning', -0.01, 0.01, 0.1),
      ranged('reasoning', -0.06, 0.01, 0.1),
      /up to \+6\.00 points now/,
    ],
    ['has a prompt of some tokens more', ranged('promptTokens', 0, 0, 8), ranged('promptTokens', 0, 5, 8), null],
  ];
  for (const [name, verdict, now, text] of cases) {
    it(`${name}: it is ${text === null ? 'no news' : 'news'}`, () => {
      const changed = changedText({ step: 2, at: 0, verdict }, { verdict: now, shadow: null });
      if (text === null) assert.equal(changed, null);
      else assert.match(changed ?? '', text);
    });
  }
});
