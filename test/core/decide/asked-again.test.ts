import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { termsOf, termsText } from '../../../src/core/decide/terms.ts';
import type { MetricVerdict } from '../../../src/core/judge/verdict.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import { SCALING_DEFAULTS } from '../../../src/core/policy/scaling.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { HOUR_MS, MINUTE_MS } from '../../../src/core/time.ts';
import { concurrencyOf } from '../../support/concurrency.ts';
import {
  atStep,
  backAtStep,
  NO_REPLICAS,
  observation,
  promotedRollout,
  rolloutAfter,
  routePolicy,
  START,
  verdictOn,
  WARM,
} from '../../support/samples.ts';

const NOW = START + HOUR_MS;
const FAULTS: MetricVerdict = {
  metric: 'faults',
  judge: 'act',
  status: 'pass',
  stable: 0.001,
  canary: 0.002,
  effect: 0.001,
  low: -0.001,
  high: 0.003,
  margin: 0.01,
  passOdds: 500,
  passAt: 200,
  stepOdds: 500,
  stepAt: 20,
  failOdds: 1,
  failAt: 1_000,
};
const LENGTH: MetricVerdict = { ...FAULTS, metric: 'length', effect: 0, low: -0.04, high: 0.04, margin: 0.15 };

function passed(step: number, metrics: readonly MetricVerdict[]): Partial<Observation> {
  return { now: NOW, verdict: verdictOn(step, { metrics }), openAskId: 7 };
}

function approves(rollout: Rollout): Pick<Observation, 'request'> {
  const { id: rolloutId, ask } = rollout;
  const request: OperatorRequest = {
    id: 1,
    kind: 'approve',
    rolloutId,
    askId: 7,
    step: ask?.about === undefined ? (ask?.step ?? null) : null,
    reason: null,
    by: 'ann@desk',
    uid: 1_001,
  };
  return { request };
}

/** The rollout after the decision that is made now, which must be this one. */
function after(rollout: Rollout, seen: Partial<Observation>, action: string): Rollout {
  const decided = decide(rollout, observation(seen));
  assert.equal(decided.action, action, decided.detail);
  return decided.events.reduce((at, event) => evolve(at, event, seen.now ?? START), rollout);
}

describe('a question about a step whose evidence has become clearly worse', () => {
  for (const before of [atStep(2), atStep(5), backAtStep(2)]) {
    const { phase, toward } = before;
    const step = 'step' in before ? before.step : 0;

    it(`is put again, and an approval of the old one is refused: ${phase}, toward ${toward}`, () => {
      const rollout = after(before, passed(step, [FAULTS, LENGTH]), 'ask');
      const worse = [
        [{ ...FAULTS, high: 0.0051 }, LENGTH],
        [FAULTS, { ...LENGTH, high: 0.071 }],
        [FAULTS, { ...LENGTH, low: -0.071 }],
      ];
      for (const metrics of worse) {
        const seen = passed(step, metrics);
        const answer = decide(rollout, observation({ ...seen, ...approves(rollout) }));
        assert.deepEqual([answer.action, answer.reason], ['refuse', 'verdict_changed']);
        assert.match(answer.detail, /up to .* now, up to .* when it was asked/);
        const again = after(after(rollout, seen, 'withdraw_ask'), seen, 'ask');
        assert.notEqual(decide(again, observation({ ...seen, ...approves(again) })).outcome?.result, 'refused');
      }
    });

    it(`stays if it became better, hardly worse, or worse in what is only shown: ${phase}, toward ${toward}`, () => {
      const rollout = after(before, passed(step, [FAULTS, LENGTH]), 'ask');
      const alike = [
        [{ ...FAULTS, high: 0.0049 }, LENGTH],
        [{ ...FAULTS, high: -0.001 }, LENGTH],
        [{ ...FAULTS, high: null, low: null }, LENGTH],
        [{ ...FAULTS, high: 0.9, judge: 'advise' as const }, LENGTH],
        [LENGTH],
        [],
      ];
      for (const metrics of alike) {
        const seen = passed(step, metrics);
        assert.equal(decide(rollout, observation(seen)).reason, 'awaiting_approval');
        assert.equal(decide(rollout, observation({ ...seen, ...approves(rollout) })).outcome?.result, 'done');
      }
    });
  }
});

const demand = { calls: 1_000, agents: 10, derivedAgents: 0, refused: 0, refusedShare: 0, holdsSince: null };
/** Calls cost this many dollars an hour on serverless; the endpoint costs $1.30. */
const costing = (perHour: number): Partial<Observation> => ({
  now: NOW,
  demand,
  openAskId: 7,
  costs: {
    serverlessPerHourMicros: perHour * 1_000_000,
    dedicatedPerHourMicros: 1_300_000,
    breakEvenCallsPerMinute: 90,
  },
});

describe('a question about a step that was said to save money', () => {
  it('is put again once if it would clearly cost more by now, and an approval of the old one is refused', () => {
    const rollout = after(rolloutAfter(), costing(2), 'ask');
    for (const perHour of [1.3, 1.1]) {
      assert.equal(decide(rollout, observation(costing(perHour))).reason, 'awaiting_approval');
      assert.equal(decide(rollout, observation({ ...costing(perHour), ...approves(rollout) })).action, 'provision');
    }
    const answer = decide(rollout, observation({ ...costing(1), ...approves(rollout) }));
    assert.deepEqual([answer.action, answer.reason, answer.cause], ['refuse', 'terms_changed', 'evidence']);
    assert.match(
      answer.detail,
      /when it was asked the endpoint saves about \$504 a month, and now it costs about \$216 more/,
    );
    const again = after(after(rollout, costing(1), 'withdraw_ask'), costing(1), 'ask');
    assert.equal(decide(again, observation(costing(0.1))).reason, 'awaiting_approval');
    assert.equal(decide(again, observation({ ...costing(0.1), ...approves(again) })).action, 'provision');
  });

  it('stays while what serverless costs is not known', () => {
    const rollout = after(rolloutAfter(), costing(2), 'ask');
    assert.equal(decide(rollout, observation({ ...costing(2), costs: null })).reason, 'awaiting_approval');
  });

  it('of a way back is put again if the endpoint would clearly save money by now', () => {
    const back = backAtStep(2);
    const seen = (perHour: number) => ({ ...costing(perHour), verdict: verdictOn(2) });
    const rollout = after(back, seen(1), 'ask');
    assert.equal(decide(rollout, observation(seen(0.1))).reason, 'awaiting_approval');
    const answer = decide(rollout, observation({ ...seen(2), ...approves(rollout) }));
    assert.equal(answer.reason, 'terms_changed');
  });
});

describe('what serverless costs', () => {
  it('is said as it was last known, with the time, at a promotion', () => {
    const known = { ...costing(2), verdict: verdictOn(4) };
    const asked = after(atStep(4), { ...known, now: START + 10 * MINUTE_MS }, 'ask');
    const last = after(asked, { ...known, ...approves(asked) }, 'enter_step');
    const unknown = { ...costing(0), costs: null, now: NOW + HOUR_MS, verdict: verdictOn(5) };
    const decided = decide(last, observation(unknown));
    assert.equal(decided.action, 'ask');
    assert.match(
      decided.detail,
      /all calls on serverless about \$1,440 when that was last known, 2027-01-15T08:10:00Z: the endpoint saves about \$504/,
    );
  });

  it('is not said from before where it is known', () => {
    const asked = after(atStep(4), { ...costing(2), verdict: verdictOn(4) }, 'ask');
    assert.doesNotMatch(termsText(termsOf(asked, observation(costing(3)))), /last known/);
  });
});

describe('the figures of a month', () => {
  const ENDPOINT = {
    at: NOW,
    state: 'running' as const,
    url: WARM.url,
    isHealthy: true,
    badReadings: 0,
    isOurs: true,
    message: null,
    ...NO_REPLICAS,
  };

  it('are said where more replicas are asked about, beside those of the present ones', () => {
    const policy = routePolicy({ scaling: { ...SCALING_DEFAULTS, adjust: 'ask', to: 4, every: 600_000 } });
    const busy = { mean: 30, p95: 38, peak: 39 };
    const concurrency = concurrencyOf({ route: busy, endpoint: busy, recentCalls: 5_000, lastCallAt: NOW });
    const seen = { ...costing(20), policy, concurrency, endpoint: { ...ENDPOINT, readyReplica: 1, targetReplica: 1 } };
    const decided = decide(promotedRollout(), observation(seen));
    assert.equal(decided.action, 'ask');
    assert.match(
      decided.detail,
      /; the endpoint costs at most \$[\d,]+ a month \(now \$936\), all calls on serverless about \$14,400: the endpoint saves/,
    );
  });

  it('are said where a budget is asked about', () => {
    const file = { ...NO_BUDGET, perDay: 10, warnAt: 0.5, askAt: 0.8 };
    const spending = { hourMicros: 0, dayMicros: 9_000_000, rolloutMicros: 0, ratePerHourMicros: 1_300_000, at: NOW };
    const seen = {
      ...costing(2),
      policy: routePolicy({ budget: file }),
      budget: { file, rollbackMs: 1_000 },
      spending,
    };
    const warned = after(atStep(2), seen, 'warn');
    const decided = decide(warned, observation(seen));
    assert.deepEqual([decided.action, decided.reason], ['ask', 'budget_nearly_used']);
    assert.match(decided.detail, /; the endpoint costs at most \$936 a month, all calls on serverless about \$1,440/);
    assert.ok(decided.events.some((event) => event.type === 'asked' && event.terms?.monthMicros === 936_000_000));
  });
});
