import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certifiable, forecast, totalMinutes } from '../../../src/core/judge/forecast.ts';
import { Judge } from '../../../src/core/judge/judge.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { feed, judgedCalls, profile } from '../../support/judged.ts';

const POLICY = POLICY_DEFAULTS.judge;
const STEPS = [0.1, 0.25, 0.5, 0.75, 0.97];
const NO_COPIES = { share: 0, minutes: 0 };
const STOPS = STEPS.map((weight) => ({ weight, least: 0 }));
const ROLLOUT = { stops: STOPS, copies: NO_COPIES };
const TRAFFIC = { callsPerMinute: 400 };

describe('forecast', () => {
  it('is within a factor of two of the time that the judge takes for an equally good endpoint', () => {
    const [first] = forecast(profile(), POLICY, TRAFFIC, ROLLOUT);
    const taken = [1, 2, 3, 4, 5, 6, 7].map((seed) => {
      const judge = new Judge(profile(), POLICY, STEPS, 'call', 'dedicated');
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
    const expected = first?.minutes as number;
    assert.ok(middle > expected / 2 && middle < expected * 2, `${middle} instead of ${expected}`);
  });

  it('has the calls and minutes of each step, and is longer with less traffic', () => {
    const steps = forecast(profile(), POLICY, TRAFFIC, ROLLOUT);
    assert.deepEqual(
      steps.map(({ step, weight }) => [step, weight]),
      STEPS.map((weight, i) => [i + 1, weight]),
    );
    for (const { minutes, calls } of steps) assert.equal(calls, (minutes as number) * 400);
    const [few] = forecast(profile(), POLICY, { callsPerMinute: 40 }, ROLLOUT);
    assert.ok((few?.minutes as number) > (steps[0]?.minutes as number));
  });

  it('has no time if there are no calls, or if a step has no control group', () => {
    assert.equal(forecast(profile(), POLICY, { callsPerMinute: 0 }, ROLLOUT)[0]?.minutes, null);
    const stops = [0.1, 1].map((weight) => ({ weight, least: 0 }));
    const steps = forecast(profile(), POLICY, TRAFFIC, { stops, copies: NO_COPIES });
    assert.equal(steps[1]?.minutes, null);
    assert.equal(totalMinutes(steps, NO_COPIES), null);
  });

  it('lets a step last for its least duration, and counts earlier steps and copies as evidence', () => {
    const copies = { share: 0.1, minutes: 10 };
    const quick = forecast(profile(), POLICY, TRAFFIC, ROLLOUT);
    const after = forecast(profile(), POLICY, TRAFFIC, { stops: STOPS, copies });
    assert.ok((after[0]?.minutes as number) < (quick[0]?.minutes as number));
    const slow = forecast(profile(), POLICY, TRAFFIC, { stops: STOPS.map((stop) => ({ ...stop, least: 60 })), copies });
    assert.ok(slow.every(({ minutes, lasts }) => lasts === Math.max(60, minutes as number)));
    assert.equal(totalMinutes(slow, copies), 10 + slow.reduce((sum, { lasts }) => sum + (lasts as number), 0));
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
