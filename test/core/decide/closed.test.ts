import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { rolloutMs, stepMs } from '../../../src/core/decide/closed.ts';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Action } from '../../../src/core/decide/decision.ts';
import type { Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { SCALING_DEFAULTS } from '../../../src/core/policy/scaling.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
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

/** A rollout in which it is noted that the window has closed. */
const noted = (rollout: Rollout | null) =>
  rollout === null ? null : evolve(rollout, { type: 'window_closed' }, later.now);

describe('while no change window is open', () => {
  /** What would go further, and what it would be in a window. */
  const FORWARD: readonly (readonly [string, Rollout | null, Partial<Observation>, string])[] = [
    ['a proposal', null, { demand: held, survey: { ...SURVEY, at: later.now } }, 'propose'],
    ['the question about an endpoint', rolloutAfter(), {}, 'ask'],
    ['the question about a step', atStep(2), passed, 'ask'],
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
      const decided = decide(noted(rollout), atNight(seen));
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
    const rollout = noted(asked(atStep(2), 3));
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
      const decided = decide(noted(rollout), atNight(seen));
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
  type At = readonly [hours: number, event: RolloutEvent['type']];
  const who = { by: 'ann@desk', reason: null };
  /** A rollout after what happened to it, hours after START. */
  const after = (rollout: Rollout, happened: readonly At[]) =>
    happened.reduce(
      (next, [hours, type]) => evolve(next, { type, ...who } as RolloutEvent, START + hours * HOUR_MS),
      rollout,
    );
  const NIGHTS: readonly At[] = [
    [1, 'window_closed'],
    [10, 'window_opened'],
    [11, 'window_closed'],
    [20, 'window_opened'],
  ];
  const closedFor = 18 * HOUR_MS;
  const few = { verdict: verdictOn(2, { canaryCalls: 1 }), policy: automatic };
  const overdueAt = (rollout: Rollout, now: number, seen: Partial<Observation> = {}) =>
    decide(rollout, observation({ ...few, now, ...seen })).reason === 'step_overdue';

  it('is noted once when a window closes, and once when one opens, and is closed for the deadline meanwhile', () => {
    const closed = decide(atStep(2), atNight(few));
    assert.deepEqual([closed.action, closed.events], ['close_window', [{ type: 'window_closed' }]]);
    assert.match(closed.detail, UNTIL);
    const night = after(atStep(2), [[0.5, 'window_closed']]);
    assert.notEqual(decide(night, atNight(few)).action, 'close_window');
    const opened = decide(night, observation({ ...few, now: START + 30 * HOUR_MS }));
    assert.deepEqual(
      [opened.action, opened.events, opened.cause],
      ['open_window', [{ type: 'window_opened' }], undefined],
    );
    const day = after(night, [[30, 'window_opened']]);
    assert.equal(decide(day, observation({ ...few, now: START + 30 * HOUR_MS })).action, 'wait');
  });

  it('does not count to the deadline of a step, to the millisecond', () => {
    const rollout = after(atStep(2), NIGHTS);
    assert.equal(overdueAt(rollout, START + closedFor + limits.stepWithin), false);
    assert.equal(overdueAt(rollout, START + closedFor + limits.stepWithin + 1), true);
  });

  it('stays as it was if the windows are taken out of the policy', () => {
    const night = after(atStep(2), [[1, 'window_closed']]);
    const now = START + HOUR_MS + limits.stepWithin;
    const noted = decide(night, observation({ ...few, now }));
    assert.equal(noted.action, 'open_window');
    const next = noted.events.reduce<Rollout>((rollout, event) => evolve(rollout, event, now), night);
    assert.equal(overdueAt(next, now), false);
    assert.equal(overdueAt(next, now + limits.stepWithin - HOUR_MS + 1), true);
  });

  it('is what was last noted while no daemon runs', () => {
    const stopped = after(atStep(2), [[1, 'window_closed']]);
    const started = after(stopped, [[90, 'window_opened']]);
    const causeOf = (rollout: Rollout) => decide(rollout, observation({ ...few, now: START + 90 * HOUR_MS })).cause;
    assert.equal(causeOf(started), 'no_data');
    assert.equal(causeOf(atStep(2)), 'overdue');
  });

  it('counts once where the rollout was also paused', () => {
    const rollout = after(atStep(2), [
      [1, 'window_closed'],
      [9, 'paused'],
      [10, 'window_opened'],
      [10.5, 'window_closed'],
      [12, 'resumed'],
      [20, 'window_opened'],
    ]);
    assert.equal(overdueAt(rollout, START + 19 * HOUR_MS + limits.stepWithin), false);
    assert.equal(overdueAt(rollout, START + 19 * HOUR_MS + limits.stepWithin + 1), true);
  });

  it('counts to the time for which a proposal is open, because its figures get old', () => {
    const now = START + limits.proposalOpen;
    assert.equal(decide(proposed, observation({ now, closed: NIGHT })).reason, 'closed_window');
    const over = decide(proposed, observation({ now: now + 1, closed: NIGHT }));
    assert.deepEqual([over.action, over.reason], ['end', 'proposal_expired']);
    const late = decide(proposed, observation({ now: now + 1, ...says('approve', { step: 0 }) }));
    assert.deepEqual([late.action, late.reason], ['refuse', 'proposal_expired']);
  });

  it('ends a proposal that the policy approves, so that nothing is bought on figures of before', () => {
    const ended = decide(rolloutAfter(), atNight({ policy: automatic }));
    assert.deepEqual([ended.action, ended.reason], ['end', 'proposal_expired']);
    assert.match(ended.detail, /^not begun before the change window closed: closed until Tue 09:00/);
    const paused = after(rolloutAfter(), [[0, 'paused']]);
    assert.equal(decide(paused, atNight({ policy: automatic })).reason, 'paused');
  });

  it('counts on a way back, which waits for no window', () => {
    const slow = { verdict: verdictOn(2, { canaryCalls: 1 }) };
    const at = (now: number) => decide(backAtStep(2), observation({ ...slow, now, closed: NIGHT }));
    assert.equal(at(START + limits.stepWithin + 1).reason, 'step_overdue');
  });

  it('makes a rollout no larger, however often windows open and close', () => {
    const months = Array.from({ length: 2_000 }, (_, i): At => [i, i % 2 === 0 ? 'window_closed' : 'window_opened']);
    const size = (rollout: Rollout) => JSON.stringify(rollout).length;
    assert.ok(size(after(atStep(2), months)) - size(atStep(2)) < 150);
  });

  /** One hour of a rollout: what happens at its beginning. */
  const hours = fc.array(
    fc.option(
      fc.constantFrom<RolloutEvent['type'] | 'step'>(
        'window_closed',
        'window_opened',
        'paused',
        'resumed',
        'frozen',
        'thawed',
        'step',
      ),
    ),
    { maxLength: 40 },
  );

  it('adds up with pauses as if each hour were looked at', () => {
    const stepped = { type: 'step_entered', step: 2, weight: 0.5, phase: 'stepping' } as const;
    fc.assert(
      fc.property(hours, (all) => {
        let rollout: Rollout & { readonly startedAt: number } = atStep(2);
        let [isClosed, isPaused, isFrozen, inStep, inRollout] = [false, false, false, 0, 0];
        for (const [hour, what] of all.entries()) {
          const event = what === 'step' ? stepped : ({ type: what, ...who } as RolloutEvent);
          if (what !== null) rollout = evolve(rollout, event, START + hour * HOUR_MS) as typeof rollout;
          if (what === 'step') inStep = 0;
          isClosed = what === 'window_closed' || (what !== 'window_opened' && isClosed);
          isPaused = what === 'paused' || (what !== 'resumed' && isPaused);
          isFrozen = what === 'frozen' || (what !== 'thawed' && isFrozen);
          if (!isClosed && !isPaused && !isFrozen) [inStep, inRollout] = [inStep + 1, inRollout + 1];
        }
        const now = START + all.length * HOUR_MS;
        assert.deepEqual([stepMs(rollout, now), rolloutMs(rollout, now)], [inStep * HOUR_MS, inRollout * HOUR_MS]);
      }),
    );
  });
});
