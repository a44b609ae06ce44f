import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Action } from '../../../src/core/decide/decision.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
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
  shadowingRollout,
  START,
  SURVEY,
  TO_WARM,
  verdictOn,
  WARM,
  wayBackAfter,
} from '../../support/samples.ts';

const { limits } = POLICY_DEFAULTS;
const NIGHT = { until: START + 14 * HOUR_MS, opens: 'Tue 09:00 Europe/Berlin' };
const UNTIL = /closed until Tue 09:00 Europe\/Berlin \(in 14\.0 h\)/;
const automatic = routePolicy({ approval: 'automatic' });
/** Long enough for every step, and not too long for anything. */
const later = { now: START + 30 * MINUTE_MS };

/** What is seen at night, half an hour after START. */
function atNight(changes: Partial<Observation> = {}): Observation {
  return observation({ ...later, closed: { ...NIGHT, until: later.now + 14 * HOUR_MS }, ...changes });
}

const ENDPOINT = {
  at: later.now,
  state: 'running' as const,
  url: WARM.url,
  isHealthy: true,
  badReadings: 0,
  isOurs: true,
  message: null,
  ...NO_REPLICAS,
};

function says(kind: OperatorRequest['kind'], changes: Partial<OperatorRequest> = {}): Partial<Observation> {
  const { rolloutId = 'aaaabbbb', askId = 1, step = null } = changes;
  const request = { id: 7, kind, rolloutId, askId, step, reason: null, by: 'ann@desk', uid: 1_001 };
  return { request, openAskId: askId };
}

const asked = (rollout: Rollout, step: number) =>
  evolve(rollout, { type: 'asked', step, verdict: verdictOn(step - 1) }, START);
const proposed = rolloutAfter({ type: 'asked', step: 0, verdict: null });
const passed = { verdict: verdictOn(2), endpoint: ENDPOINT };
const held = {
  calls: 3_000,
  agents: 90,
  derivedAgents: 0,
  refused: 300,
  refusedShare: 0.1,
  holdsSince: START - HOUR_MS,
};

/** A busy promoted endpoint whose scaling may change from one replica to more. */
const scaling = routePolicy({ scaling: { ...SCALING_DEFAULTS, adjust: 'ask', to: 4, every: 600_000 } });
const scalingOf = (minReplica: number, maxReplica: number) => ({
  minReplica,
  maxReplica,
  scaleToZeroTimeout: null,
  measure: null,
});
function scalingAsked(minReplica: number, maxReplica: number): Rollout {
  const two = { ...promotedRollout(), scaling: scalingOf(2, 2) };
  const ask = { about: 'scaling' as const, step: 6, verdict: null, scaling: scalingOf(minReplica, maxReplica) };
  return evolve(two, { type: 'asked', ...ask }, START);
}

describe('while no change window is open', () => {
  /** What would go further, and what it would be in a window. */
  const FORWARD: readonly (readonly [string, Rollout | null, Partial<Observation>, string])[] = [
    ['a proposal', null, { demand: held, survey: { ...SURVEY, at: later.now } }, 'propose'],
    ['the question about an endpoint', rolloutAfter(), {}, 'ask'],
    ['the question about a step', atStep(2), passed, 'ask'],
    ['an endpoint that the policy approves', rolloutAfter(), { policy: automatic }, 'provision'],
    ['a step that the policy approves', atStep(2), { ...passed, policy: automatic }, 'enter_step'],
    [
      'a promotion that the policy approves',
      atStep(5),
      { ...passed, verdict: verdictOn(5), policy: automatic },
      'promote',
    ],
  ];
  for (const [what, rollout, seen, action] of FORWARD) {
    it(`${what} waits, and says until when`, () => {
      assert.equal(decide(rollout, observation({ ...later, ...seen })).action, action);
      const decided = decide(rollout, atNight(seen));
      assert.deepEqual([decided.action, decided.reason, decided.cause], ['wait', 'closed_window', 'closed_window']);
      assert.match(decided.detail, UNTIL);
      assert.deepEqual(decided.events, []);
    });
  }

  const WORDS: readonly (readonly [string, Rollout | null, Partial<Observation>])[] = [
    ['approves an endpoint', proposed, says('approve', { step: 0 })],
    ['approves a step', asked(atStep(2), 3), { ...passed, ...says('approve', { step: 3 }) }],
    [
      'approves a promotion',
      asked(atStep(5), 6),
      { ...passed, verdict: verdictOn(5), ...says('approve', { step: 6 }) },
    ],
    ['enters a step over the evidence', atStep(2), { ...passed, ...says('over_evidence', { step: 3 }) }],
    ['proposes', null, { survey: { ...SURVEY, at: later.now }, ...says('propose', { rolloutId: null }) }],
    ['wants more replicas', scalingAsked(2, 4), { ...says('approve'), policy: scaling }],
    ['wants more replicas always', scalingAsked(3, 3), { ...says('approve'), policy: scaling }],
  ];
  for (const [what, rollout, seen] of WORDS) {
    it(`a person who ${what} is refused, and told when the window opens`, () => {
      assert.equal(decide(rollout, observation({ ...later, ...seen })).outcome?.result, 'done');
      const decided = decide(rollout, atNight(seen));
      assert.deepEqual(
        [decided.action, decided.reason, decided.outcome?.result],
        ['refuse', 'closed_window', 'refused'],
      );
      assert.match(decided.outcome?.message ?? '', UNTIL);
    });
  }

  it('an approval is not counted either, where several people must approve', () => {
    const policy = routePolicy({ approvals: { ...POLICY_DEFAULTS.approvals, provision: 2 } });
    const seen = { policy, ...says('approve', { step: 0 }) };
    assert.equal(decide(proposed, observation({ ...later, ...seen })).outcome?.result, 'counted');
    assert.equal(decide(proposed, atNight(seen)).outcome?.result, 'refused');
  });

  it('a question that is open stays open, unless its evidence is gone', () => {
    const rollout = asked(atStep(2), 3);
    assert.equal(decide(rollout, atNight(passed)).reason, 'closed_window');
    const gone = decide(rollout, atNight({ ...passed, verdict: verdictOn(2, { status: 'inconclusive' }) }));
    assert.equal(gone.action, 'withdraw_ask');
  });

  /** What goes on and what goes back is decided as in a window. */
  const unit = { ...promotedRollout(), scaling: scalingOf(2, 2) };
  const sleepy = routePolicy({ scaling: { ...SCALING_DEFAULTS, sleep: { after: 60_000, calls: 10 } } });
  const out = { outage: { since: START, until: later.now } };
  const SAME: readonly (readonly [string, Rollout | null, Partial<Observation>, Action])[] = [
    ['an endpoint that is being created', rolloutAfter(...TO_WARM.slice(0, 3)), { endpoint: null }, 'ensure_endpoint'],
    ['an endpoint that is ready', rolloutAfter(...TO_WARM.slice(0, 3)), { endpoint: ENDPOINT }, 'start_warming'],
    ['warming', rolloutAfter(...TO_WARM.slice(0, 4)), {}, 'warm'],
    ['the shadow stage', shadowingRollout(), {}, 'finish_shadow'],
    ['a step without evidence', atStep(2), { verdict: verdictOn(2, { status: 'inconclusive' }) }, 'wait'],
    ['a failed verdict', atStep(2), { ...passed, verdict: verdictOn(2, { status: 'fail' }) }, 'roll_back'],
    ['faults in a row', atStep(2), { ...passed, canaryFaultsInRow: 5 }, 'roll_back'],
    ['an abort', atStep(2), { ...passed, ...says('abort') }, 'roll_back'],
    ['a pause', atStep(2), { ...passed, ...says('pause') }, 'pause'],
    ['a rejection', asked(atStep(2), 3), { ...passed, ...says('reject', { step: 3 }) }, 'roll_back'],
    ['a rejected endpoint', proposed, says('reject', { step: 0 }), 'end'],
    [
      'an endpoint that is not needed',
      unit,
      { policy: sleepy, endpoint: ENDPOINT, concurrency: concurrencyOf({ recentCalls: 0 }) },
      'begin_detour',
    ],
    ['fewer replicas', scalingAsked(1, 2), { ...says('approve'), policy: scaling }, 'grant'],
    [
      'a used-up budget',
      atStep(2),
      { ...passed, policy: routePolicy({ budget: { ...NO_BUDGET, perRollout: 0.01 } }) },
      'roll_back',
    ],
    [
      'a step of a way back',
      asked(backAtStep(2), 3),
      { ...passed, ...says('approve', { rolloutId: 'bbbbcccc', step: 3 }) },
      'enter_step',
    ],
    ['the question of a way back', wayBackAfter(), {}, 'ask'],
    ['an outage, wanted by a person', atStep(2), { ...passed, ...out, ...says('through_outage') }, 'bridge_outage'],
    ['an outage in the last step', atStep(5), { ...passed, verdict: verdictOn(5), ...out }, 'bridge_outage'],
  ];
  for (const [what, rollout, seen, action] of SAME) {
    it(`nothing is different about ${what}`, () => {
      const decided = decide(rollout, atNight(seen));
      assert.equal(decided.action, action, decided.detail);
      assert.deepEqual(decided, decide(rollout, observation({ ...later, ...seen })));
    });
  }

  it('a yes to a budget is taken', () => {
    const budget = { ...NO_BUDGET, perRollout: 1.4 };
    const spent = {
      hourMicros: 0,
      dayMicros: 1_300_000,
      rolloutMicros: 1_300_000,
      ratePerHourMicros: 1_300_000,
      at: later.now,
    };
    const seen = {
      ...passed,
      policy: routePolicy({ budget }),
      spending: spent,
      budget: { file: budget, rollbackMs: 1_000 },
    };
    const question = decide(atStep(2), atNight({ ...seen, policy: routePolicy({ budget: { ...budget, warnAt: 1 } }) }));
    assert.equal(question.action, 'warn');
    const asks = [...question.events, { type: 'budget_asked' as const, budget: 'rollout' }];
    const open = [
      ...asks,
      { type: 'asked' as const, about: 'budget' as const, step: 2, verdict: null },
    ].reduce<Rollout>((rollout, event) => evolve(rollout, event, START), atStep(2));
    assert.notEqual(decide(open, atNight({ ...seen, ...says('approve') })).reason, 'closed_window');
  });
});

describe('the time in which no change window is open', () => {
  const closings = [
    { from: START + MINUTE_MS, until: START + 10 * HOUR_MS },
    { from: START + 11 * HOUR_MS, until: START + 20 * HOUR_MS },
  ];
  const closedMs = 19 * HOUR_MS - MINUTE_MS;
  const few = { verdict: verdictOn(2, { canaryCalls: 1 }), policy: automatic };

  it('does not count to the deadline of a step, to the millisecond', () => {
    const at = (now: number) => decide(atStep(2), observation({ ...few, now, closings }));
    assert.notEqual(at(START + closedMs + limits.stepWithin).reason, 'step_overdue');
    assert.deepEqual([at(START + closedMs + limits.stepWithin + 1).reason], ['step_overdue']);
  });

  it('counts once where the rollout was also paused', () => {
    const pause = evolve(atStep(2), { type: 'paused', by: 'ann@desk', reason: null }, START + 9 * HOUR_MS);
    const rollout = evolve(pause, { type: 'resumed', by: 'ann@desk', reason: null }, START + 12 * HOUR_MS);
    const quiet = closedMs + HOUR_MS;
    const at = (now: number) => decide(rollout, observation({ ...few, now, closings }));
    assert.notEqual(at(START + quiet + limits.stepWithin).reason, 'step_overdue');
    assert.equal(at(START + quiet + limits.stepWithin + 1).reason, 'step_overdue');
  });

  it('does not count to the time for which a proposal is open, but a pause does', () => {
    const paused = evolve(proposed, { type: 'paused', by: 'ann@desk', reason: null }, START);
    for (const rollout of [proposed, paused]) {
      const at = (now: number) => decide(rollout, observation({ now, closings }));
      assert.notEqual(at(START + closedMs + limits.proposalOpen).reason, 'proposal_expired');
      const over = at(START + closedMs + limits.proposalOpen + 1);
      assert.equal(over.reason, 'proposal_expired');
    }
    const over = decide(proposed, observation({ now: START + closedMs + limits.proposalOpen + 1, closings }));
    assert.match(over.detail, /nobody answered in 24\.0 h of open windows/);
  });

  it('counts on a way back, which waits for no window', () => {
    const slow = { verdict: verdictOn(2, { canaryCalls: 1 }) };
    const at = (now: number) => decide(backAtStep(2), observation({ ...slow, now, closings }));
    assert.equal(at(START + limits.stepWithin + 1).reason, 'step_overdue');
  });
});
