import * as fc from 'fast-check';
import { decide } from '../../src/core/decide/decide.ts';
import { BACK_DEFAULTS } from '../../src/core/policy/back.ts';
import { happenedBy } from '../../src/core/decide/decision.ts';
import type { Decision } from '../../src/core/decide/decision.ts';
import type { EffectName, EndpointSeen, Observation, OperatorRequest } from '../../src/core/decide/observation.ts';
import { ONE_APPROVAL } from '../../src/core/policy/approvals.ts';
import { NO_BUDGET } from '../../src/core/policy/budget.ts';
import type { RoutePolicy } from '../../src/core/policy/policy.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { changedBy, nextState, rolloutsOf, WATCHED } from '../../src/core/rollout/route-state.ts';
import type { Happened, RouteState } from '../../src/core/rollout/route-state.ts';
import { isAbout } from '../../src/core/rollout/ask.ts';
import type { Verdict } from '../../src/core/judge/verdict.ts';
import type { ScalingPolicy } from '../../src/core/policy/scaling.ts';
import { SCALING_DEFAULTS } from '../../src/core/policy/scaling.ts';
import { concurrencyOf } from './concurrency.ts';
import {
  observation,
  PROFILE,
  promotedRollout,
  routePolicy,
  START,
  TO_PROMOTED,
  verdictOn,
  WARM,
  SURVEY,
} from './samples.ts';

/** What one tick of a random walk will bring: most of it good, so that walks get far; some of it anything. */
export interface Weather {
  readonly afterMs: number;
  readonly demand: 'sustained' | 'none';
  readonly account: Observation['account'];
  readonly survey: 'fine' | 'missing' | 'refused' | 'dear';
  readonly endpoint: EndpointSeen['state'] | 'unseen';
  readonly endpointAgeMs: number;
  readonly ready: number;
  readonly concurrency: 'usual' | 'busy' | 'idle' | 'unmeasured';
  readonly isHealthy: boolean;
  readonly effects: readonly EffectName[];
  readonly hasWarmed: boolean;
  readonly problem: 'none' | 'invalid' | 'unavailable';
  readonly verdict: Verdict['status'] | 'none';
  readonly isFew: boolean;
  readonly isOtherStep: boolean;
  readonly faultsInRow: number;
  readonly recent: 'fine' | 'sick' | 'refusing' | 'denying' | 'silent';
  readonly isDrained: boolean;
  readonly back: 'none' | 'low' | 'slow';
  readonly limit: 'enough' | 'unknown' | 'too low';
  readonly endpointFaultsInRow: number;
  /** Of a day's budget, where one is set. */
  readonly spentShare: number;
  readonly request: OperatorRequest['kind'] | 'none' | 'answer';
  /** Number of the user who makes the request. */
  readonly uid: number;
  readonly answers: 'open' | 'older' | 'nothing' | 'other step' | 'other rollout';
}

const usually = <T>(value: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(value) },
    ...others.map((other) => ({ weight: 1, arbitrary: fc.constant(other) })),
  );

export const weather: fc.Arbitrary<Weather> = fc.record({
  afterMs: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(1_000, 30_000, 360_000, 360_000) },
    { weight: 1, arbitrary: fc.constantFrom(2_000_000, 8_000_000, 90_000_000) },
  ),
  demand: usually<Weather['demand']>('sustained', 'none'),
  account: usually<Observation['account']>('ok', 'unchecked', 'refused'),
  survey: usually<Weather['survey']>('fine', 'missing', 'refused', 'dear'),
  endpoint: fc.oneof(
    { weight: 40, arbitrary: fc.constant('running' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom<Weather['endpoint']>(
        'unseen',
        'absent',
        'pending',
        'initializing',
        'updating',
        'paused',
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom<Weather['endpoint']>('failed', 'updateFailed', 'scaledToZero') },
  ),
  endpointAgeMs: usually(0, 400_000),
  ready: usually(2, 0, 1, 4),
  concurrency: fc.constantFrom<Weather['concurrency']>('usual', 'busy', 'idle', 'unmeasured'),
  isHealthy: usually(true, false),
  effects: usually<readonly EffectName[]>(
    [],
    ['survey'],
    ['ensure'],
    ['warm'],
    ['learn'],
    ['pause'],
    ['rescale'],
    ['wake'],
  ),
  hasWarmed: usually(true, false),
  problem: usually<Weather['problem']>('none', 'none', 'none', 'invalid', 'unavailable'),
  verdict: usually<Weather['verdict']>('pass', 'inconclusive', 'no data', 'unhealthy', 'fail', 'none'),
  isFew: usually(false, true),
  isOtherStep: usually(false, false, true),
  faultsInRow: usually(0, 0, 0, 5),
  recent: usually<Weather['recent']>('fine', 'sick', 'refusing', 'denying', 'silent'),
  isDrained: usually(true, false),
  back: fc.constantFrom<Weather['back']>('none', 'low', 'low', 'slow'),
  limit: usually<Weather['limit']>('enough', 'unknown', 'too low'),
  endpointFaultsInRow: usually(0, 0, 0, 5),
  spentShare: usually(0.1, 0.1, 0.85, 0.92, 0.999),
  request: fc.oneof(
    { weight: 30, arbitrary: fc.constant('none' as const) },
    { weight: 30, arbitrary: fc.constant('answer' as const) },
    { weight: 3, arbitrary: fc.constantFrom('pause' as const, 'resume' as const, 'approve' as const) },
    { weight: 1, arbitrary: fc.constantFrom('abort' as const, 'reject' as const) },
  ),
  uid: fc.constantFrom(1_001, 1_002, 1_003),
  answers: usually<Weather['answers']>('open', 'older', 'nothing', 'other step', 'other rollout'),
});

const FOLLOWS: ScalingPolicy = { ...SCALING_DEFAULTS, to: 4, every: 600_000 };
const BACK = { ...BACK_DEFAULTS, sustain: 600_000, after: 0, cooldown: 900_000 };

/** A policy and the weather of many ticks. */
export const walks: fc.Arbitrary<{
  readonly policy: RoutePolicy;
  readonly days: readonly Weather[];
  /** Whether the route has an endpoint from the beginning: the way back is long. */
  readonly isPromoted: boolean;
}> = fc.record({
  isPromoted: fc.boolean(),
  policy: fc
    .record({
      approval: fc.constantFrom<RoutePolicy['approval']>('manual', 'automatic'),
      approvals: fc.constantFrom(ONE_APPROVAL, ONE_APPROVAL, {
        provision: 2,
        step: 2,
        promote: 3,
        budget: 2,
        scaling: 2,
      }),
      steps: fc.constantFrom<readonly number[]>([0.1, 0.25, 0.5, 0.75, 1], [0.5, 1]),
      budget: usually<RoutePolicy['budget']>(NO_BUDGET, { ...NO_BUDGET, perDay: 50 }, { ...NO_BUDGET, perDay: 50 }),
      shadow: fc.constantFrom(POLICY_DEFAULTS.shadow, { ...POLICY_DEFAULTS.shadow, share: 0 }),
      scaling: fc.constantFrom<ScalingPolicy>(
        SCALING_DEFAULTS,
        { ...FOLLOWS, adjust: 'ask' },
        { ...FOLLOWS, adjust: 'automatic' },
        { ...FOLLOWS, sleep: { after: 60_000, calls: 10 } },
      ),
    })
    .map((given) => routePolicy({ ...given, criteria: { cooldown: 600_000 }, back: BACK })),
  days: fc.array(weather, { minLength: 1, maxLength: 120, size: 'max' }),
});

/** One tick of a walk: what was, what was seen, what was decided, what then was. */
export interface Tick {
  readonly before: Rollout | null;
  readonly seen: Observation;
  readonly decided: Decision;
  readonly after: Rollout | null;
  /** Everything that ever happened to the rollout in `after`, in order. */
  readonly history: readonly Happened[];
  /** Everything that ever happened on the route, and the state to which the decisions have led it. */
  readonly told: readonly Happened[];
  readonly state: RouteState;
}

/** Lets the core walk through the weather, as the daemon would. */
export function* walk(policy: RoutePolicy, days: readonly Weather[], isPromoted = false): Generator<Tick> {
  const rolloutId = promotedRollout().id;
  let told: readonly Happened[] = isPromoted ? TO_PROMOTED.map((event) => ({ rolloutId, event, at: START })) : [];
  let state = nextState(WATCHED, { happened: told, filePolicy: policy, askId: null });
  let now = START;
  let asks = 0;
  let rollouts = 0;
  for (const day of days) {
    now += day.afterMs;
    const { active, last } = state;
    const before = active?.rollout ?? null;
    const seen = look(before, day, policy, {
      now,
      asks,
      openAskId: active?.askId ?? null,
      lastEndedAt: last?.since ?? null,
      lastToward: last?.toward ?? null,
      rolloutId: `rollout${rollouts}`,
    });
    const decided = decide(before, seen);
    const happened = happenedBy(decided, before, now);
    for (const { event } of happened) {
      if (event.type === 'proposed') rollouts++;
      if (event.type === 'asked') asks++;
    }
    const ownId = happened[decided.events.length - 1]?.rolloutId ?? '';
    const after = changedBy(rolloutsOf(state), happened).get(ownId) ?? before;
    told = [...told, ...happened];
    state = nextState(state, { happened, filePolicy: policy, askId: asks });
    const history = told.filter((each) => each.rolloutId === after?.id);
    yield { before, seen, decided, after, history, told, state };
  }
}

const RECENT: Readonly<Record<Weather['recent'], Observation['stableRecent']>> = {
  fine: { attempts: 100, faults: 1, connectFailures: 1 },
  sick: { attempts: 20, faults: 15, connectFailures: 0 },
  refusing: { attempts: 20, faults: 20, connectFailures: 20 },
  denying: { attempts: 20, faults: 0, connectFailures: 0, callers: 20, denied: 19 },
  silent: { attempts: 0, faults: 0, connectFailures: 0 },
};

export function look(
  rollout: Rollout | null,
  day: Weather,
  policy: RoutePolicy,
  at: { now: number; asks: number; rolloutId: string } & Pick<Observation, 'openAskId' | 'lastEndedAt' | 'lastToward'>,
): Observation {
  const { now } = at;
  const isSustained = day.demand === 'sustained';
  return observation({
    now,
    policy,
    account: day.account,
    demand: {
      calls: isSustained ? 2_100 : 10,
      agents: 64,
      derivedAgents: 0,
      refused: 168,
      refusedShare: 0.08,
      holdsSince: isSustained ? now - 400_000 : null,
    },
    lastEndedAt: at.lastEndedAt,
    lastToward: at.lastToward,
    survey: surveyOf(day, now),
    next: { rolloutId: at.rolloutId, endpointName: `writer-${at.rolloutId}` },
    endpoint: endpointOf(rollout, day, now),
    ...concurrencySeen(day, now),
    effects: day.effects,
    results: resultsOf(day, now),
    verdict: verdictOf(rollout, day),
    canaryFaultsInRow: day.faultsInRow,
    endpointFaultsInRow: day.endpointFaultsInRow,
    back: backOf(day, policy, now),
    stableRecent: RECENT[day.recent],
    isDrained: day.isDrained,
    spending: {
      hourMicros: 0,
      dayMicros: Math.round(50_000_000 * day.spentShare),
      rolloutMicros: 0,
      ratePerHourMicros: rollout === null ? 0 : 9_000_000,
      at: now,
    },
    request: requestOf(rollout, day, at.openAskId ?? at.asks),
    openAskId: at.openAskId,
  });
}

function backOf(day: Weather, policy: RoutePolicy, now: number): Observation['back'] {
  const since = now - 700_000;
  const limits = { enough: 1_000, unknown: null, 'too low': 100 };
  return {
    policy: policy.back,
    refusedMost: policy.criteria.refused,
    traffic: { calls: 200, p95: 300, belowSince: day.back === 'low' ? since : null, knownSince: since },
    slo: { calls: 200, slowShare: 0.2, availability: 1, missedSince: day.back === 'slow' ? now - 2_000_000 : null },
    serverlessLimit: limits[day.limit],
  };
}

function surveyOf({ survey }: Weather, now: number): Observation['survey'] {
  if (survey === 'missing') return null;
  const problem = survey === 'refused' ? 'no quota' : null;
  return { ...SURVEY, at: now, pricePerHourMicros: survey === 'dear' ? 99_000_000 : 1_300_000, problem };
}

function endpointOf(rollout: Rollout | null, day: Weather, now: number): EndpointSeen | null {
  if (rollout === null || day.endpoint === 'unseen') return null;
  // While it drains, an endpoint does what it was told.
  const state = rollout.phase === 'draining' && day.endpoint === 'running' ? 'paused' : day.endpoint;
  return {
    at: now - day.endpointAgeMs,
    state,
    url: WARM.url,
    isHealthy: day.isHealthy,
    badReadings: 0,
    isOurs: true,
    message: null,
    readyReplica: day.ready,
    targetReplica: day.ready,
    scaling: null,
  };
}

function concurrencySeen({ concurrency }: Weather, now: number): Pick<Observation, 'concurrency' | 'serverlessLimit'> {
  if (concurrency === 'unmeasured') return {};
  const [mean, recentCalls] = { usual: [10, 300], busy: [60, 2_000], idle: [0, 0] }[concurrency] as [number, number];
  const flat = { mean, p95: mean * 1.2, peak: mean * 1.5 };
  const seen = { since: now - 86_400_000, route: flat, endpoint: flat, recentCalls };
  const lastCallAt = concurrency === 'idle' ? now - 3_600_000 : now;
  return {
    concurrency: concurrencyOf({ ...seen, lastCallAt }),
    serverlessLimit: concurrency === 'busy' ? 1_000 : null,
  };
}

function resultsOf(day: Weather, now: number): Observation['results'] {
  const problem = day.problem === 'none' ? null : { code: day.problem, message: 'no', hint: null };
  const warmed = day.hasWarmed ? { warmed: { endpoint: WARM, failed: [], profile: PROFILE } } : {};
  return {
    ensure: { effect: 'ensure', at: now, problem },
    pause: { effect: 'pause', at: now, problem },
    ...(day.concurrency !== 'idle' && { rescale: { effect: 'rescale', at: now, problem } }),
    learn: { effect: 'learn', at: now, problem, ...(problem === null && { learned: PROFILE }) },
    warm: { effect: 'warm', at: now, problem, ...(problem === null && warmed) },
  };
}

function verdictOf(rollout: Rollout | null, day: Weather): Verdict | null {
  if (rollout === null || day.verdict === 'none' || !('profile' in rollout)) return null;
  const step = ('step' in rollout ? rollout.step : 0) + (day.isOtherStep ? 1 : 0);
  return verdictOn(step, { status: day.verdict, canaryCalls: day.isFew ? 20 : 300 });
}

function requestOf(rollout: Rollout | null, day: Weather, askId: number): OperatorRequest | null {
  if (day.request === 'none' || (day.request === 'answer' && rollout?.ask == null)) return null;
  const kind = day.request === 'answer' ? 'approve' : day.request;
  const step = rollout !== null && isAbout(rollout.ask, 'step') ? rollout.ask.step : null;
  return {
    id: 1,
    kind,
    rolloutId: day.answers === 'other rollout' || rollout === null ? 'zzzzzzzz' : rollout.id,
    askId: day.answers === 'nothing' ? null : day.answers === 'older' ? askId - 1 : askId,
    step: day.answers === 'other step' ? 99 : step,
    reason: null,
    by: `user${day.uid}@desk`,
    uid: day.uid,
  };
}
