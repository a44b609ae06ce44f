import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { BACK_DEFAULTS } from '../../../src/core/policy/back.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import { considerBack } from '../../../src/core/decide/way-back-cause.ts';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Decision } from '../../../src/core/decide/decision.ts';
import type { BackSeen, Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { stopWeight, weights } from '../../../src/core/rollout/rollout.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { endpointShare } from '../../../src/core/rollout/rollout.ts';
import {
  backAtStep,
  observation,
  PROFILE,
  promotedRollout,
  routePolicy,
  START,
  verdictOn,
  wayBackAfter,
  NO_REPLICAS,
} from '../../support/samples.ts';

const DAY = 86_400_000;
const NOW = START + 3 * DAY;
const COSTS = { serverlessPerHourMicros: 900_000, dedicatedPerHourMicros: 1_300_000, breakEvenCallsPerMinute: 100 };
const LOAD = { calls: 300, p95: 320, belowSince: NOW - DAY, knownSince: START };
const SLO = { calls: 400, slowShare: 0.2, availability: 0.97, missedSince: NOW - 1_800_000 };
const LEARNED = { learn: { effect: 'learn' as const, at: NOW - 60_000, problem: null, learned: PROFILE } };

function back(changes: Partial<BackSeen> = {}): BackSeen {
  return { policy: BACK_DEFAULTS, refusedMost: 0.05, traffic: LOAD, slo: null, serverlessLimit: null, ...changes };
}

function seen(changes: Partial<Observation> = {}): Observation {
  return observation({ now: NOW, costs: COSTS, back: back(), results: LEARNED, ...changes });
}

const inShort = ({ action, reason }: Decision) => `${action} ${reason}`;
const owes = { ...BACK_DEFAULTS, slo: { p95: 2_000, availability: 0.99, sustain: 1_800_000 } };

describe('a promoted route', () => {
  const cases: readonly (readonly [string, Partial<Observation>, string])[] = [
    ['whose traffic has been low for a day', {}, 'propose traffic_low'],
    ['whose traffic is not low', { back: back({ traffic: { ...LOAD, belowSince: null } }) }, 'wait promoted'],
    ['whose traffic is not known yet', { back: back({ traffic: null }) }, 'wait promoted'],
    ['without figures for a way back', { back: null }, 'wait promoted'],
    [
      'whose traffic has been low for a millisecond less',
      { back: back({ traffic: { ...LOAD, belowSince: NOW - DAY + 1 } }) },
      'wait sustaining',
    ],
    ['a day after a way back', { lastToward: 'serverless', lastEndedAt: NOW - DAY }, 'propose traffic_low'],
    ['less than a day after a way back', { lastToward: 'serverless', lastEndedAt: NOW - DAY + 1 }, 'wait cooldown'],
    ['soon after a rollout that was aborted', { lastToward: 'dedicated', lastEndedAt: NOW - 1 }, 'propose traffic_low'],
    ['for which serverless takes 305 calls', { back: back({ serverlessLimit: 305 }) }, 'propose traffic_low'],
    ['for which serverless takes 303 calls', { back: back({ serverlessLimit: 303 }) }, 'wait serverless_cannot'],
    ['whose usual figures are not known', { results: {} }, 'learn learning'],
    ['whose usual figures are being read', { results: {}, effects: ['learn'] }, 'wait learning'],
    [
      'whose usual figures were read long ago',
      { results: { learn: { ...LEARNED.learn, at: NOW - 600_001 } } },
      'learn learning',
    ],
    [
      'whose usual figures cannot be read',
      { results: { learn: { effect: 'learn', at: NOW, problem: { code: 'unavailable', message: 'no', hint: null } } } },
      'wait effect_failed',
    ],
    ['whose endpoint misses its slo', { back: back({ traffic: null, policy: owes, slo: SLO }) }, 'propose slo_missed'],
    [
      'whose endpoint has missed its slo for too short a time',
      { back: back({ traffic: null, policy: owes, slo: { ...SLO, missedSince: NOW - 1_799_999 } }) },
      'wait sustaining',
    ],
    ['whose endpoint is gone', { endpoint: { ...gone(), at: NOW } }, 'roll_back endpoint_absent'],
  ];
  for (const [what, changes, expected] of cases) {
    it(`${what}: ${expected}`, () => {
      const decided = decide(promotedRollout(), seen(changes));
      assert.equal(inShort(decided), expected);
    });
  }

  function gone() {
    const state = 'absent' as const;
    return { state, url: null, isHealthy: false, badReadings: 3, isOurs: true, message: null, ...NO_REPLICAS };
  }

  it('stays where it is while it is paused', () => {
    assert.equal(decide({ ...promotedRollout(), isPaused: true }, seen()).reason, 'promoted');
  });

  it('may begin a way back on its first day because of its slo, but not because of low traffic', () => {
    const young = { ...promotedRollout(), since: NOW - DAY + 1 };
    assert.equal(considerBack(young, seen())?.reason, 'cooldown');
    assert.equal(considerBack(young, seen({ back: back({ policy: owes, slo: SLO }) }))?.reason, 'slo_missed');
  });

  it('proposes with the present policy file and the present endpoint', () => {
    const promoted = promotedRollout();
    const decided = decide(promoted, seen({ newPolicyHash: 'newer' }));
    const [event] = decided.events;
    assert.ok(event?.type === 'proposed');
    const { rollout } = event;
    assert.deepEqual([rollout.policyHash, rollout.toward, rollout.criteriaSince], ['newer', 'serverless', NOW - DAY]);
    const { replaces, endpoint, profile, runsSince } = rollout.wayBack ?? {};
    assert.deepEqual([replaces, endpoint, runsSince], [promoted.id, promoted.endpoint, promoted.startedAt]);
    assert.deepEqual(profile, PROFILE);
    assert.equal(rollout.endpointName, promoted.endpointName);
  });

  it('gives the cause of a way back in figures', () => {
    assert.match(decide(promotedRollout(), seen()).detail, /300 calls in 5 min, below 400 \(80 % of break-even\)/);
    const plain = back({ policy: { ...BACK_DEFAULTS, calls: 350 } });
    assert.match(decide(promotedRollout(), seen({ costs: null, back: plain })).detail, /below 350 \(back.calls\)/);
    const missed = seen({ back: back({ policy: owes, slo: SLO, serverlessLimit: 200 }) });
    const { detail } = decide(promotedRollout(), missed);
    assert.match(
      detail,
      /20 % of answers take longer than 2 s \(allowed: 5 %\), 97 % of calls are answered \(wanted: 99 %\)/,
    );
    assert.match(detail, /serverless would refuse 37.5 % of 320 calls in 5 min \(its limit: 200; allowed: 5 %\)/);
    assert.match(
      decide(promotedRollout(), seen()).detail,
      /it is not known how many calls serverless takes; each step shows it/,
    );
  });
});

describe('the weights of a way back', () => {
  it('never fall, and give the endpoint at each step a share that it had at a step of the first rollout', () => {
    const steps = fc
      .uniqueArray(fc.integer({ min: 1, max: 9_999 }), { minLength: 1, maxLength: 9 })
      .map((points) => [...points.sort((a, b) => a - b).map((point) => point / 10_000), 1]);
    fc.assert(
      fc.property(steps, fc.integer({ min: 50, max: 5_000 }), (given, points) => {
        const policy = { steps: given, holdBack: { ...POLICY_DEFAULTS.holdBack, share: points / 10_000 } };
        const weightsBack = [0, ...given.map((_, i) => stopWeight(i + 1, policy, 'serverless'))];
        weightsBack.slice(1).forEach((weight, i) => assert.ok(weight >= (weightsBack[i] as number) && weight < 1));
        const left = weightsBack.slice(1, -1).map((weight) => Math.round((1 - weight) * 10_000));
        const there = given.slice(0, -1).map((share) => Math.max(Math.round(share * 10_000), points));
        assert.deepEqual(left, there.toReversed());
      }),
    );
  });

  it('give the endpoint the policy’s steps in reverse order, down to a control group and then 0', () => {
    const shares = POLICY_DEFAULTS.steps.map((_, i) => 1 - stopWeight(i + 1, POLICY_DEFAULTS, 'serverless'));
    assert.deepEqual(
      shares.map((share) => Math.round(share * 100)),
      [75, 50, 25, 10, 3],
    );
    const ended: Rollout = evolve(
      backAtStep(5),
      { type: 'draining', outcome: 'returned', reason: 'done', hint: null },
      START,
    );
    assert.deepEqual([weights(ended, POLICY_DEFAULTS).weight, endpointShare(ended, POLICY_DEFAULTS)], [1, 0]);
    assert.equal(endpointShare(wayBackAfter(), POLICY_DEFAULTS), 1);
    assert.equal(endpointShare(promotedRollout(), POLICY_DEFAULTS), 1);
    assert.equal(endpointShare(backAtStep(2), POLICY_DEFAULTS), 0.5);
  });
});

const readAt = (state: 'running' | 'paused' | 'failed' | 'absent' | 'scaledToZero', badReadings = 0) => ({
  endpoint: {
    at: NOW,
    state,
    url: null,
    isHealthy: badReadings === 0,
    badReadings,
    isOurs: true,
    message: null,
    ...NO_REPLICAS,
  },
});
const DOWN = { attempts: 10, faults: 10, connectFailures: 10 };
const SICK = { attempts: 10, faults: 6, connectFailures: 0 };

describe('a way back', () => {
  const automatic = routePolicy({ approval: 'automatic' });
  const pass = (step: number) => ({ verdict: verdictOn(step) });
  const cases: readonly (readonly [string, Rollout, Partial<Observation>, string])[] = [
    ['proposed', wayBackAfter(), {}, 'ask needs_approval'],
    ['proposed with approval: automatic', wayBackAfter(), { policy: automatic }, 'enter_step approved_by_policy'],
    [
      'proposed, but serverless now takes too few calls',
      wayBackAfter(),
      { back: back({ serverlessLimit: 100 }) },
      'wait serverless_cannot',
    ],
    ['proposed, but serverless refuses connections', wayBackAfter(), { stableRecent: DOWN }, 'wait stable_unable'],
    ['proposed and not answered for a day', wayBackAfter(), { now: START + DAY + 1 }, 'end proposal_expired'],
    ['at a step', backAtStep(1), { now: START + 1_000, verdict: verdictOn(1) }, 'wait baking'],
    ['at a step that passed', backAtStep(1), pass(1), 'ask needs_approval'],
    [
      'at a step that passed, with approval: automatic',
      backAtStep(1),
      { ...pass(1), policy: automatic },
      'enter_step approved_by_policy',
    ],
    [
      'at a step that passed, if serverless takes fewer calls than the next step brings',
      backAtStep(1),
      { ...pass(1), back: back({ serverlessLimit: 151 }) },
      'wait serverless_cannot',
    ],
    [
      'at a step that passed, if serverless takes the calls of the next step',
      backAtStep(1),
      { ...pass(1), back: back({ serverlessLimit: 153 }) },
      'ask needs_approval',
    ],
    ['at its last step', backAtStep(5), { ...pass(5), policy: automatic }, 'return approved_by_policy'],
    [
      'with a verdict that failed',
      backAtStep(2),
      { verdict: verdictOn(2, { status: 'fail' }) },
      'roll_back verdict_fail',
    ],
    ['with faults of serverless', backAtStep(2), { canaryFaultsInRow: 5 }, 'roll_back consecutive_faults'],
    ['with faults of the endpoint', backAtStep(2), { endpointFaultsInRow: 5 }, 'leave_endpoint consecutive_faults'],
    [
      'only proposed, with faults of the endpoint',
      wayBackAfter(),
      { endpointFaultsInRow: 5 },
      'leave_endpoint consecutive_faults',
    ],
    [
      'with faults of both',
      backAtStep(2),
      { canaryFaultsInRow: 5, endpointFaultsInRow: 5, stableRecent: SICK },
      'wait both_unhealthy',
    ],
    [
      'that asks about the budget while serverless cannot take it',
      wayBackAfter(
        { type: 'budget_asked', budget: 'rollout' },
        { type: 'asked', about: 'budget', step: 0, verdict: null },
      ),
      {
        back: back({ traffic: LOAD, serverlessLimit: 10 }),
        policy: routePolicy({ budget: { ...NO_BUDGET, perRollout: 99 } }),
      },
      'wait serverless_cannot',
    ],
    [
      'not begun for a day because serverless cannot take the calls',
      wayBackAfter(),
      { now: START + DAY + 1, back: back({ traffic: LOAD, serverlessLimit: 10 }), policy: automatic },
      'end proposal_expired',
    ],
    ['with a paused endpoint', backAtStep(2), readAt('paused'), 'leave_endpoint endpoint_paused'],
    ['with a failed endpoint', backAtStep(5), readAt('failed'), 'leave_endpoint endpoint_failed'],
    ['with an unhealthy endpoint', backAtStep(5), readAt('running', 3), 'leave_endpoint endpoint_unhealthy'],
    [
      'with a deleted endpoint and a failed verdict',
      backAtStep(2),
      { ...readAt('absent', 3), verdict: verdictOn(2, { status: 'fail' }) },
      'leave_endpoint endpoint_absent',
    ],
    [
      'with a deleted endpoint, while serverless refuses connections',
      backAtStep(2),
      { ...readAt('absent', 3), stableRecent: DOWN },
      'wait stable_unable',
    ],
  ];
  for (const [what, rollout, changes, expected] of cases) {
    it(`${what}: ${expected}`, () => {
      const decided = decide(
        rollout,
        observation({ now: START + 3_600_000, back: back({ traffic: LOAD }), ...changes }),
      );
      assert.equal(inShort(decided), expected);
    });
  }

  it('ends at once if it did not succeed, and drains the endpoint if it did', () => {
    const nothing = decide(backAtStep(2), observation({ canaryFaultsInRow: 5 }));
    assert.deepEqual(
      nothing.events.map(({ type }) => type),
      ['ended'],
    );
    assert.equal(evolve(backAtStep(2), nothing.events[0] as never, NOW).phase, 'aborted');
    const lost = decide(backAtStep(2), observation(readAt('paused')));
    const draining = evolve(backAtStep(2), lost.events[0] as never, NOW);
    assert.ok(draining.phase === 'draining' && draining.outcome === 'returned');
    const ended = decide(draining, observation({ now: NOW, ...readAt('paused') }));
    assert.equal(inShort(ended), 'end drained');
    assert.equal(ended.replaced?.rolloutId, promotedRollout().id);
    assert.equal(evolve(draining, ended.events[0] as never, NOW).phase, 'returned');
  });

  const asks = (kind: OperatorRequest['kind']) => ({
    request: { id: 1, kind, rolloutId: 'bbbbcccc', askId: 7, step: null, reason: null, by: 'ann@desk', uid: 1_001 },
    openAskId: 7,
  });

  it('enters its first step when its proposal is approved', () => {
    const rollout = wayBackAfter({ type: 'asked', step: 1, verdict: null });
    const decided = decide(rollout, observation({ back: back(), ...asks('approve') }));
    assert.deepEqual(
      decided.events.map(({ type }) => type),
      ['approved', 'step_entered'],
    );
    const entered = decided.events.reduce<Rollout>((state, event) => evolve(state, event, NOW), rollout);
    assert.ok(entered.phase === 'stepping' && entered.step === 1 && entered.startedAt === NOW);
    assert.deepEqual([weights(entered, POLICY_DEFAULTS).weight, entered.profile], [0.25, PROFILE]);
  });

  it('refuses an approval if serverless cannot take the calls, and any request that would send calls to a lost endpoint', () => {
    const rollout = wayBackAfter({ type: 'asked', step: 1, verdict: null });
    const cannot = decide(rollout, observation({ back: back({ serverlessLimit: 10 }), ...asks('approve') }));
    assert.deepEqual([inShort(cannot), cannot.outcome?.result], ['refuse serverless_cannot', 'refused']);
    for (const kind of ['abort', 'reject', 'approve'] as const) {
      const lost = { ...readAt('failed'), stableRecent: DOWN };
      assert.equal(
        inShort(decide(rollout, observation({ back: back(), ...lost, ...asks(kind) }))),
        'refuse stable_unable',
      );
    }
  });

  it('returns all calls to the endpoint if it is aborted or rejected', () => {
    const rollout = backAtStep(3, { type: 'asked', step: 4, verdict: null });
    for (const kind of ['abort', 'reject'] as const) {
      const decided = decide(rollout, observation({ back: back(), ...asks(kind) }));
      assert.equal(decided.action, 'roll_back');
      assert.deepEqual(
        decided.events.map(({ type }) => type),
        ['ended'],
      );
      assert.match(decided.outcome?.message ?? '', /the endpoint/);
    }
  });
});
