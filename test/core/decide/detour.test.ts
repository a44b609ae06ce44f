import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BACK_DEFAULTS } from '../../../src/core/policy/back.ts';
import { decide } from '../../../src/core/decide/decide.ts';
import type { Decision } from '../../../src/core/decide/decision.ts';
import type { EndpointSeen, Observation, OperatorRequest } from '../../../src/core/decide/observation.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../../src/core/rollout/event.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import { weights } from '../../../src/core/rollout/rollout.ts';
import { NO_BUDGET } from '../../../src/core/policy/budget.ts';
import { NO_FIGURES } from '../../../src/core/rollout/step-figures.ts';
import type { ScalingPolicy } from '../../../src/core/policy/scaling.ts';
import { SCALING_DEFAULTS } from '../../../src/core/policy/scaling.ts';
import type { Scaling } from '../../../src/core/scaling/scaling.ts';
import { concurrencyOf } from '../../support/concurrency.ts';
import {
  ENDPOINT_POLICY,
  PROFILE,
  START,
  WARM,
  observation,
  promotedRollout,
  routePolicy,
  NO_REPLICAS,
} from '../../support/samples.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WANTED: Scaling = { minReplica: 2, maxReplica: 4, scaleToZeroTimeout: null, measure: { pendingRequests: 8 } };
const REFUSING = { attempts: 20, faults: 20, connectFailures: 20 };
const LIMIT = { capacity: { carried: 10, isLimit: true }, route: { mean: 14, p95: 35, peak: 40 } };

function policy(scaling: Partial<ScalingPolicy>, endpoint = {}) {
  const bounds = { ...ENDPOINT_POLICY, minReplica: 1, maxReplica: 2, ...endpoint };
  return routePolicy({ endpoint: bounds, scaling: { ...SCALING_DEFAULTS, ...scaling } });
}

function seenAs(state: EndpointSeen['state'], at: number, change: Partial<EndpointSeen> = {}): EndpointSeen {
  const isHealthy = state === 'running';
  return {
    at,
    state,
    url: WARM.url,
    isHealthy,
    badReadings: isHealthy ? 0 : 9,
    isOurs: true,
    message: null,
    ...NO_REPLICAS,
    ...change,
  };
}

function after(rollout: Rollout, at: number, ...events: readonly RolloutEvent[]): Rollout {
  return events.reduce((state, event) => evolve(state, event, at), rollout);
}

const AWAY = after(promotedRollout(), START, {
  type: 'detour_began',
  why: 'rescale',
  scaling: WANTED,
  bridgedBefore: 5,
});
const ASLEEP = after(promotedRollout(), START, { type: 'detour_began', why: 'sleep', bridgedBefore: 5 });
const WAKING = after(ASLEEP, START + HOUR, { type: 'waking' });

/** An observation this long after START, on a promoted route whose scaling follows the concurrency. */
function seen(afterMs: number, change: Partial<Observation> = {}): Observation {
  const figures = { step: 6, stable: { ...NO_FIGURES, assigned: 47 }, canary: NO_FIGURES };
  const concurrency = concurrencyOf({ recentCalls: 0 });
  const scaling = { adjust: 'automatic' as const, sleep: { after: 30 * MINUTE, calls: 10 }, to: 4 };
  return observation({ now: START + afterMs, policy: policy(scaling), concurrency, figures, ...change });
}

const done = (at: number) => ({ effect: 'rescale' as const, at, problem: null });
const inShort = ({ action, reason, effect }: Decision) => [action, reason, effect];

describe('a route whose traffic is away from its endpoint', () => {
  it('has weight 0 until the detour has ended', () => {
    for (const rollout of [AWAY, ASLEEP, WAKING]) assert.equal(weights(rollout, routePolicy()).weight, 0);
    const ended = after(AWAY, START, { type: 'detour_ended', outcome: 'done', bridged: 3, pricePerHourMicros: 9 });
    assert.equal(weights(ended, routePolicy()).weight, 1);
    assert.ok(ended.phase === 'promoted' && ended.detour === undefined);
    assert.deepEqual([ended.scaling, ended.pricePerHourMicros], [WANTED, 9]);
  });

  it('is unchanged after a change that was given up', () => {
    const ended = after(AWAY, START + 5, {
      type: 'detour_ended',
      outcome: 'given_up',
      bridged: 3,
      pricePerHourMicros: null,
    });
    assert.deepEqual(ended, { ...promotedRollout(), rescaledAt: START + 5 });
  });

  const changing: readonly (readonly [string, number, Partial<Observation>, unknown[]])[] = [
    [
      'waits for its calls to end before anything is changed',
      SECOND,
      { isDrained: false, endpoint: seenAs('running', START) },
      ['wait', 'leaving', null],
    ],
    ['looks first where the process is new', SECOND, { endpoint: null }, ['wait', 'leaving', null]],
    [
      'changes once no call is left',
      SECOND,
      { endpoint: seenAs('running', START) },
      ['rescale', 'rescaling', 'rescale'],
    ],
    [
      'does not change what is being changed',
      SECOND,
      { effects: ['rescale'], endpoint: seenAs('running', START) },
      ['wait', 'rescaling', null],
    ],
    [
      'does not change what already has the wanted scaling',
      MINUTE,
      { endpoint: seenAs('updating', START + MINUTE, { scaling: WANTED }) },
      ['wait', 'rescaling', null],
    ],
    [
      'waits while the endpoint answers nothing, however many readings were bad',
      MINUTE,
      { results: { rescale: done(START + SECOND) }, endpoint: seenAs('updating', START + MINUTE) },
      ['wait', 'rescaling', null],
    ],
    [
      'does not trust a reading right after the change',
      MINUTE,
      { results: { rescale: done(START + MINUTE) }, endpoint: seenAs('running', START + MINUTE + 5 * SECOND) },
      ['wait', 'rescaling', null],
    ],
    [
      'returns to the endpoint once that runs and is healthy',
      2 * MINUTE,
      { results: { rescale: done(START + SECOND) }, endpoint: seenAs('running', START + 2 * MINUTE) },
      ['end_detour', 'rescaled', null],
    ],
    [
      'returns to the endpoint if a change is refused for good',
      MINUTE,
      {
        results: {
          rescale: { effect: 'rescale', at: START + SECOND, problem: { code: 'invalid', message: 'no', hint: null } },
        },
        endpoint: seenAs('running', START + MINUTE),
      },
      ['end_detour', 'change_refused', null],
    ],
    [
      'tries again if the API did not answer',
      MINUTE,
      {
        results: {
          rescale: {
            effect: 'rescale',
            at: START + SECOND,
            problem: { code: 'unavailable', message: 'no', hint: null },
          },
        },
        endpoint: seenAs('running', START + MINUTE),
      },
      ['rescale', 'rescaling', 'rescale'],
    ],
    [
      'returns to the endpoint if that could not be changed in time',
      HOUR,
      { endpoint: seenAs('running', START + HOUR) },
      ['end_detour', 'detour_overdue', null],
    ],
    [
      'returns to the unchanged endpoint if serverless fails before the change',
      SECOND,
      { stableRecent: REFUSING, endpoint: seenAs('running', START + SECOND) },
      ['end_detour', 'stable_unable', null],
    ],
    [
      'rolls back if the endpoint does not become healthy',
      HOUR,
      { results: { rescale: done(START + SECOND) }, endpoint: seenAs('updating', START + HOUR) },
      ['roll_back', 'detour_overdue', null],
    ],
    [
      'rolls back if the endpoint has failed',
      MINUTE,
      { endpoint: seenAs('updateFailed', START + MINUTE) },
      ['roll_back', 'endpoint_failed', null],
    ],
    [
      'rolls back if somebody has paused the endpoint',
      MINUTE,
      { endpoint: seenAs('paused', START + MINUTE) },
      ['roll_back', 'endpoint_paused', null],
    ],
    [
      'does not roll back because of faults before the detour',
      SECOND,
      { canaryFaultsInRow: 9, endpoint: seenAs('running', START) },
      ['rescale', 'rescaling', 'rescale'],
    ],
  ];
  for (const [claim, afterMs, change, wanted] of changing) {
    it(claim, () => assert.deepEqual(inShort(decide(AWAY, seen(afterMs, change))), wanted));
  }

  it('says what the endpoint costs from now on, and how many calls serverless has served', () => {
    const change = { results: { rescale: done(START + SECOND) }, endpoint: seenAs('running', START + MINUTE) };
    const { events, detail } = decide(AWAY, seen(MINUTE, change));
    // Two replicas at most were $1.30; four are twice as much.
    const ended = { type: 'detour_ended', outcome: 'done', bridged: 42, pricePerHourMicros: 2_600_000 };
    assert.deepEqual(events, [ended]);
    assert.match(
      detail,
      /has 2 to 4 replicas, another at 8 pending calls each; serverless has served 42 calls.*\$2\.60\/h/,
    );
  });

  it('stays on serverless while it is paused, and returns when it is resumed', () => {
    const paused = after(AWAY, START, { type: 'paused', by: 'ann@desk', reason: null });
    const change = { results: { rescale: done(START + SECOND) }, endpoint: seenAs('running', START + MINUTE) };
    assert.deepEqual(inShort(decide(paused, seen(MINUTE, change))), ['wait', 'paused', null]);
    const resumed = after(paused, START, { type: 'resumed', by: 'ann@desk', reason: null });
    assert.equal(decide(resumed, seen(MINUTE, change)).action, 'end_detour');
  });

  it('ends if an operator aborts', () => {
    const request: OperatorRequest = {
      id: 1,
      kind: 'abort',
      rolloutId: 'aaaabbbb',
      askId: null,
      step: null,
      reason: null,
      by: 'a@b',
      uid: 1_001,
    };
    for (const rollout of [AWAY, ASLEEP, WAKING]) {
      assert.equal(decide(rollout, seen(MINUTE, { request })).action, 'roll_back');
    }
  });
});

describe('an endpoint that may sleep', () => {
  const idle = (change: Partial<Observation> = {}) =>
    seen(HOUR, { endpoint: seenAs('running', START + HOUR), ...change });

  it('loses its traffic once it has had no call for long enough', () => {
    assert.deepEqual(inShort(decide(promotedRollout(), idle())), ['begin_detour', 'idle', null]);
  });

  const awake: readonly (readonly [string, Partial<Observation>])[] = [
    [
      'its newest call is too recent',
      { concurrency: concurrencyOf({ recentCalls: 0, lastCallAt: START + 31 * MINUTE }) },
    ],
    ['calls are in flight', { concurrency: concurrencyOf({ recentCalls: 1 }) }],
    [
      'it has not been watched for long enough',
      { concurrency: concurrencyOf({ recentCalls: 0, since: START + 31 * MINUTE }) },
    ],
    ['its concurrency is not measured', { concurrency: undefined }],
    ['serverless refuses connections', { stableRecent: REFUSING }],
    ['it is paused', {}],
  ];
  for (const [when, change] of awake) {
    it(`stays awake if ${when}`, () => {
      const isPaused = when === 'it is paused';
      const rollout = isPaused
        ? after(promotedRollout(), START, { type: 'paused', by: 'a', reason: null })
        : promotedRollout();
      assert.equal(decide(rollout, idle(change)).reason, 'promoted');
    });
  }

  it('stays asleep if the platform has scaled it to zero', () => {
    const endpoint = seenAs('scaledToZero', START + MINUTE);
    assert.deepEqual(inShort(decide(promotedRollout(), seen(MINUTE, { endpoint }))), ['begin_detour', 'asleep', null]);
  });

  it('causes a rollback if it is scaled to zero and the policy has no sleep', () => {
    const endpoint = seenAs('scaledToZero', START + MINUTE);
    const decided = decide(promotedRollout(), seen(MINUTE, { endpoint, policy: policy({}) }));
    assert.deepEqual(inShort(decided), ['roll_back', 'endpoint_scaled_to_zero', null]);
  });

  const asleep: readonly (readonly [string, Rollout, number, Partial<Observation>, unknown[]])[] = [
    [
      'is scaled to zero once no call is left',
      ASLEEP,
      SECOND,
      { endpoint: seenAs('running', START + SECOND) },
      ['sleep', 'idle', 'sleep'],
    ],
    [
      'stays asleep while few calls come',
      ASLEEP,
      HOUR,
      { endpoint: seenAs('scaledToZero', START + HOUR), concurrency: concurrencyOf({ recentCalls: 10 }) },
      ['wait', 'asleep', null],
    ],
    [
      'is woken by more calls than that',
      ASLEEP,
      HOUR,
      { endpoint: seenAs('scaledToZero', START + HOUR), concurrency: concurrencyOf({ recentCalls: 11 }) },
      ['wake', 'demand_returned', 'wake'],
    ],
    [
      'is woken if serverless refuses connections',
      ASLEEP,
      HOUR,
      { endpoint: seenAs('scaledToZero', START + HOUR), stableRecent: REFUSING },
      ['wake', 'demand_returned', 'wake'],
    ],
    [
      'is not woken before it is asleep',
      ASLEEP,
      HOUR,
      { effects: ['sleep'], concurrency: concurrencyOf({ recentCalls: 99 }), endpoint: seenAs('running', START) },
      ['wait', 'idle', null],
    ],
    [
      'stays awake if it cannot be scaled to zero',
      ASLEEP,
      MINUTE,
      {
        endpoint: seenAs('running', START + MINUTE),
        results: {
          sleep: { effect: 'sleep', at: START + SECOND, problem: { code: 'invalid', message: 'no', hint: null } },
        },
      },
      ['end_detour', 'change_refused', null],
    ],
    [
      'is waited for while it wakes up',
      WAKING,
      HOUR + MINUTE,
      { endpoint: seenAs('initializing', START + HOUR + MINUTE) },
      ['wait', 'waking', null],
    ],
    [
      'is woken again if it is still asleep',
      WAKING,
      HOUR + MINUTE,
      { endpoint: seenAs('scaledToZero', START + HOUR + MINUTE) },
      ['wake', 'waking', 'wake'],
    ],
    [
      'does not trust a reading from before it was woken',
      WAKING,
      HOUR + MINUTE,
      { endpoint: seenAs('running', START + HOUR - 1), effects: ['wake'] },
      ['wait', 'waking', null],
    ],
    [
      'has its traffic again once it runs and is healthy',
      WAKING,
      HOUR + 2 * MINUTE,
      { endpoint: seenAs('running', START + HOUR + 2 * MINUTE) },
      ['end_detour', 'awake', null],
    ],
    [
      'causes a rollback if it does not wake up',
      WAKING,
      2 * HOUR,
      { endpoint: seenAs('initializing', START + 2 * HOUR) },
      ['roll_back', 'detour_overdue', null],
    ],
  ];
  for (const [claim, rollout, afterMs, change, wanted] of asleep) {
    it(claim, () => assert.deepEqual(inShort(decide(rollout, seen(afterMs, change))), wanted));
  }

  it('says what its sleep saved, what waking cost, and how many calls serverless served', () => {
    const change = { endpoint: seenAs('running', START + HOUR + 3 * MINUTE) };
    const { detail } = decide(WAKING, seen(HOUR + 3 * MINUTE, change));
    assert.match(
      detail,
      /awake after 3 min, which cost about \$0\.03; its sleep saved about \$0\.65; serverless has served 42 calls/,
    );
  });
});

describe('a promoted endpoint whose concurrency has changed', () => {
  const concurrency = concurrencyOf(LIMIT);
  const ask = (change: Partial<Observation> = {}) =>
    seen(7 * HOUR, {
      concurrency,
      policy: policy({ adjust: 'ask', to: 4 }),
      endpoint: seenAs('running', START + 7 * HOUR),
      ...change,
    });

  it('is not changed too early, without figures, or with adjust: off', () => {
    assert.equal(decide(promotedRollout(), { ...ask(), now: START + 5 * HOUR }).reason, 'promoted');
    const { concurrency: _, ...older } = ask();
    assert.equal(decide(promotedRollout(), older).reason, 'promoted');
    assert.equal(decide(promotedRollout(), ask({ policy: policy({ to: 4 }) })).reason, 'promoted');
  });

  it('is changed automatically if the policy says so', () => {
    const decided = decide(promotedRollout(), ask({ policy: policy({ adjust: 'automatic', to: 4 }) }));
    assert.deepEqual(inShort(decided), ['begin_detour', 'concurrency_changed', null]);
    const [approved, began] = decided.events;
    assert.ok(approved?.type === 'approved' && approved.about === 'scaling' && approved.by === 'policy');
    assert.ok(began?.type === 'detour_began' && began.why === 'rescale' && began.scaling.maxReplica === 4);
  });

  it('waits automatically until serverless can take the calls', () => {
    const automatic = { policy: policy({ adjust: 'automatic', to: 4 }), serverlessLimit: 300 };
    const decided = decide(promotedRollout(), ask(automatic));
    assert.deepEqual(inShort(decided), ['wait', 'serverless_full', null]);
    assert.match(decided.detail, /could not take about 50 % of the calls at once/);
    assert.equal(decide(promotedRollout(), ask({ ...automatic, serverlessLimit: 590 })).action, 'begin_detour');
  });

  it('stays within the price limit for its replicas', () => {
    const dear = policy({ adjust: 'automatic', to: 4 }, { maxPricePerHour: 2 });
    // A replica is $0.65.
    const [, began] = decide(promotedRollout(), ask({ policy: dear })).events;
    assert.ok(began?.type === 'detour_began' && began.why === 'rescale' && began.scaling.maxReplica === 3);
  });

  it('stays within the hourly budget, whatever its replicas may cost, and says how long the other budgets last', () => {
    const budget = { ...NO_BUDGET, perHour: 2 };
    const [, began] = decide(promotedRollout(), {
      ...ask({ policy: policy({ adjust: 'automatic', to: 4 }) }),
      budget: { file: budget, rollbackMs: 1 },
    }).events;
    assert.ok(began?.type === 'detour_began' && began.why === 'rescale' && began.scaling.maxReplica === 3);
    const asked = decide(promotedRollout(), {
      ...ask(),
      budget: { file: { ...NO_BUDGET, perDay: 100 }, rollbackMs: 1 },
      spending: { hourMicros: 0, dayMicros: 0, rolloutMicros: 0, ratePerHourMicros: 0, at: START + 7 * HOUR },
    });
    assert.match(asked.detail, /\$2\.60\/h \(now \$1\.30\/h\); \$100\.00 a day is enough/);
  });

  it('begins a way back if it is not worth its price, even if a question about its scaling is open', () => {
    const open = after(promotedRollout(), START + 7 * HOUR, ...decide(promotedRollout(), ask()).events);
    const back: Observation['back'] = {
      policy: { ...BACK_DEFAULTS, after: 0, sustain: HOUR },
      refusedMost: 1,
      traffic: { calls: 1, p95: 1, belowSince: START, knownSince: START },
      slo: null,
      serverlessLimit: null,
    };
    assert.deepEqual(inShort(decide(open, ask({ back }))), ['learn', 'learning', 'learn']);
    const learned = { learn: { effect: 'learn' as const, at: START + 7 * HOUR, problem: null, learned: PROFILE } };
    assert.deepEqual(inShort(decide(open, ask({ back, results: learned }))), ['propose', 'traffic_low', null]);
    const sustained = { ...back, policy: { ...back.policy, sustain: 8 * HOUR } };
    assert.equal(decide(open, ask({ back: sustained })).reason, 'awaiting_approval');
  });

  it('may keep its present replicas at its present price', () => {
    const exact = policy({ adjust: 'automatic', to: 4 }, { minReplica: 1, maxReplica: 3, maxPricePerHour: 1.3 });
    const [, began] = decide(promotedRollout(), ask({ policy: exact })).events;
    assert.ok(began?.type === 'detour_began' && began.why === 'rescale' && began.scaling.maxReplica === 3);
  });

  it('is asked about once, and after an approval is changed when serverless can take the calls', () => {
    const asked = decide(promotedRollout(), ask());
    assert.equal(asked.action, 'ask');
    assert.match(asked.detail, /4 replicas.*, at most \$2\.60\/h \(now \$1\.30\/h\) \(at least/);
    const open = after(promotedRollout(), START + 7 * HOUR, ...asked.events);
    assert.deepEqual(inShort(decide(open, ask())), ['wait', 'awaiting_approval', null]);
    const request: OperatorRequest = {
      id: 1,
      kind: 'approve',
      rolloutId: 'aaaabbbb',
      askId: 3,
      step: null,
      reason: null,
      by: 'a@b',
      uid: 1_001,
    };
    const granted = after(open, START + 7 * HOUR, ...decide(open, ask({ request, openAskId: 3 })).events);
    assert.equal(decide(granted, ask({ stableRecent: REFUSING })).reason, 'stable_unable');
    const begun = decide(granted, ask());
    assert.deepEqual(inShort(begun), ['begin_detour', 'approved', null]);
    const away = after(granted, START + 7 * HOUR, ...begun.events);
    assert.ok(away.phase === 'promoted' && away.granted === undefined && away.detour?.why === 'rescale');
  });

  it('is no longer asked about once the proposed scaling would not fit', () => {
    const open = after(promotedRollout(), START + 7 * HOUR, ...decide(promotedRollout(), ask()).events);
    const calm = concurrencyOf({ ...LIMIT, route: { mean: 4, p95: 12, peak: 14 } });
    assert.deepEqual(inShort(decide(open, ask({ concurrency: calm }))), ['withdraw_ask', 'concurrency_changed', null]);
  });
});
