import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certifiable, forecast } from '../../src/core/forecast.ts';
import { Judge } from '../../src/core/judge.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy.ts';
import { feed, judgedCalls, profile } from '../support/judged.ts';

const POLICY = POLICY_DEFAULTS.judge;
const STEPS = [0.1, 0.25, 0.5, 0.75, 0.97];
const TRAFFIC = { callsPerMinute: 400 };

describe('forecast', () => {
  it('is near to what the judge then takes for an equal endpoint', () => {
    const [first] = forecast(profile(), POLICY, TRAFFIC, STEPS);
    const taken = [1, 2, 3, 4, 5, 6, 7].map((seed) => {
      const judge = new Judge(profile(), POLICY, STEPS);
      let minutes = 0;
      while (judge.verdict(1).status !== 'pass' && minutes < 200) {
        feed(
          judge,
          judgedCalls({ minutes: 1, weight: 0.1, seed: seed * 1_000 + minutes, fromMinute: 1_000 + minutes }),
        );
        minutes++;
      }
      return minutes;
    });
    const middle = taken.toSorted((a, b) => a - b)[3] as number;
    const told = first?.minutes as number;
    assert.ok(middle > told / 2 && middle < told * 2, `${middle} instead of ${told}`);
  });

  it('tells calls and minutes of each step, and that it takes longer with less traffic', () => {
    const steps = forecast(profile(), POLICY, TRAFFIC, STEPS);
    assert.deepEqual(
      steps.map(({ step, weight }) => [step, weight]),
      STEPS.map((weight, i) => [i + 1, weight]),
    );
    for (const { minutes, calls } of steps) assert.equal(calls, (minutes as number) * 400);
    const [few] = forecast(profile(), POLICY, { callsPerMinute: 40 }, STEPS);
    assert.ok((few?.minutes as number) > (steps[0]?.minutes as number));
  });

  it('knows no time without calls or without a control group', () => {
    assert.equal(forecast(profile(), POLICY, { callsPerMinute: 0 }, STEPS)[0]?.minutes, null);
    assert.equal(forecast(profile(), POLICY, TRAFFIC, [0.1, 1])[1]?.minutes, null);
  });

  it('certifies tighter margins in more time', () => {
    const margins = certifiable(profile(), POLICY, TRAFFIC, 0.1).map(({ margin }) => margin);
    assert.equal(margins.length, 3);
    assert.deepEqual(
      margins,
      margins.toSorted((a, b) => b - a),
    );
    assert.ok((margins[0] as number) < 0.5 && (margins[2] as number) > 0.005, margins.join());
  });
});
