import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Judge } from '../../../src/core/judge/judge.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { MetricVerdict } from '../../../src/core/judge/verdict.ts';
import { feed, judgedCalls, profile } from '../../support/judged.ts';

describe('the verdict on one metric', () => {
  it('has the true difference of a share that was rare before, and no range too narrow for so few calls', () => {
    const rare = { ...profile(), shares: { faults: 1e-4, tail: 1e-4, empty: 1e-4 } };
    const differenceAt = (faults: number) => {
      const judge = new Judge(rare, POLICY_DEFAULTS.judge, POLICY_DEFAULTS.steps, 'call', 'dedicated');
      feed(judge, judgedCalls({ minutes: 6, weight: 0.1, stable: { faults: 0 }, canary: { faults: 0 } }));
      const more = { weight: 0.1, stable: { faults: 0 }, canary: { faults }, fromMinute: 1_006, seed: 2 };
      feed(judge, judgedCalls({ minutes: 20, ...more }));
      return judge.verdict(1).metrics.find(({ metric }) => metric === 'faults') as MetricVerdict;
    };
    const { canary, effect } = differenceAt(0.04);
    assert.ok(Math.abs((effect as number) - (canary as number)) < 0.01, `${effect} for ${canary}`);
    // None in about a thousand calls: up to 3 in 1 000 would go unseen once in twenty times.
    assert.ok((differenceAt(0).high as number) > 0.003);
  });
});
