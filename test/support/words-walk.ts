import * as fc from 'fast-check';
import { decide } from '../../src/core/decide/decide.ts';
import { happenedBy } from '../../src/core/decide/decision.ts';
import type { Decision } from '../../src/core/decide/decision.ts';
import type { Frozen, Observation, OperatorRequest } from '../../src/core/decide/observation.ts';
import { withLastWords } from '../../src/core/decide/queued.ts';
import { BACK_DEFAULTS } from '../../src/core/policy/back.ts';
import { ONE_APPROVAL } from '../../src/core/policy/approvals.ts';
import type { RoutePolicy } from '../../src/core/policy/policy.ts';
import { SCALING_DEFAULTS } from '../../src/core/policy/scaling.ts';
import { isAbout } from '../../src/core/rollout/ask.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { nextState, WATCHED } from '../../src/core/rollout/route-state.ts';
import type { Happened, RouteState } from '../../src/core/rollout/route-state.ts';
import { promotedRollout, routePolicy, START, TO_PROMOTED } from './samples.ts';
import { look, weather } from './walk.ts';
import type { Weather } from './walk.ts';

/** A word as somebody says it at any moment: to the open question or an older one, to this rollout or another. */
interface Said {
  readonly kind: OperatorRequest['kind'] | 'freeze' | 'thaw';
  readonly uid: number;
  readonly isStale: boolean;
  /** Of a resume: of the route, so that an abort is lifted. */
  readonly isOfRoute: boolean;
}

interface Day {
  readonly weather: Weather;
  readonly words: readonly Said[];
  /** Whether no change window is open. */
  readonly isClosed: boolean;
  /** Whether no daemon runs: the words wait, and the next daemon makes its state from the events. */
  readonly isAway: boolean;
}

/** A policy, and what is said and seen on many days. */
export interface Talk {
  readonly policy: RoutePolicy;
  readonly isPromoted: boolean;
  readonly days: readonly Day[];
}

const said: fc.Arbitrary<Said> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('approve' as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Said['kind']>('pause', 'resume', 'thaw', 'propose', 'over_evidence', 'resume', 'thaw'),
    },
    { weight: 2, arbitrary: fc.constantFrom<Said['kind']>('reject', 'abort', 'freeze', 'through_outage') },
  ),
  uid: fc.constantFrom(1_001, 1_002),
  isStale: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  isOfRoute: fc.boolean(),
});

const day: fc.Arbitrary<Day> = fc.record({
  weather,
  words: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(said, { minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.array(said, { minLength: 2, maxLength: 4 }) },
  ),
  isClosed: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  isAway: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const SHORT = { bake: 30_000, minCalls: 20, proposalOpen: 3_600_000 };

/** Any talk. */
export const talks: fc.Arbitrary<Talk> = fc.record({
  isPromoted: fc.boolean(),
  policy: fc
    .record({
      approval: fc.constantFrom<RoutePolicy['approval']>('manual', 'manual', 'automatic'),
      approvals: fc.constantFrom(ONE_APPROVAL, { ...ONE_APPROVAL, provision: 2 }),
      overEvidence: fc.constantFrom(true, true, false),
      scaling: fc.constantFrom(SCALING_DEFAULTS, {
        ...SCALING_DEFAULTS,
        to: 4,
        every: 600_000,
        adjust: 'automatic' as const,
        sleep: { after: 60_000, calls: 10 },
      }),
    })
    .map((given) =>
      routePolicy({
        ...given,
        steps: [0.5, 1],
        limits: SHORT,
        criteria: { cooldown: 600_000 },
        back: { ...BACK_DEFAULTS, sustain: 600_000, after: 0, cooldown: 900_000 },
      }),
    ),
  days: fc.array(day, { minLength: 1, maxLength: 60, size: 'max' }),
});

/** One decision, with the truth beside it. */
export interface Spoken {
  readonly before: RouteState;
  readonly seen: Observation;
  readonly decided: Decision;
  readonly after: RouteState;
  /** Everything that ever happened on the route. */
  readonly told: readonly Happened[];
  /** All words of this tick, in the order in which they were said. */
  readonly heard: readonly OperatorRequest[];
}

/** Lets the core hear and decide as the ticks of the daemon do. `restored`: the state that a new process makes of events. */
export function* talk({ policy, days, isPromoted }: Talk, restored: (told: readonly Happened[]) => RouteState) {
  const rolloutId = promotedRollout().id;
  let told: readonly Happened[] = isPromoted ? TO_PROMOTED.map((event) => ({ rolloutId, event, at: START })) : [];
  let state = nextState(WATCHED, { happened: told, filePolicy: policy, askId: null });
  let frozen: Frozen | null = null;
  let pending: OperatorRequest[] = [];
  let [now, asks, rollouts, requests] = [START, 0, 0, 0];
  for (const { weather: seenWeather, words, isClosed, isAway } of days) {
    now += seenWeather.afterMs;
    for (const word of words) {
      const by = `user${word.uid}@desk`;
      if (word.kind === 'freeze') frozen ??= { by, reason: null, at: now };
      else if (word.kind === 'thaw') frozen = null;
      else pending.push(requestOf(word, word.kind, state, { id: ++requests, by }));
    }
    if (isAway) continue;
    if (words.length > 1) state = { ...restored(told), active: withHeld(restored(told).active, state.active) };
    const heard = withLastWords(pending);
    const mine = [...heard];
    for (let i = 0; i < 10; i++) {
      const request = mine.shift() ?? null;
      const seen = observed(state, seenWeather, policy, { now, asks, rollouts, frozen, request, isClosed });
      const decided = decide(state.active?.rollout ?? null, seen);
      const happened = happenedBy(decided, state.active?.rollout ?? null, now);
      for (const { event } of happened) {
        if (event.type === 'proposed') rollouts++;
        if (event.type === 'asked') asks++;
      }
      told = [...told, ...happened];
      const before = state;
      state = nextState(state, { happened, filePolicy: policy, askId: asks });
      if (decided.outcome !== null) pending = pending.filter(({ id }) => id !== decided.outcome?.requestId);
      yield { before, seen, decided, after: state, told, heard } satisfies Spoken;
      if (decided.action === 'wait' && mine.length === 0) break;
    }
  }
}

/** What goes with a rollout and is not in its events is read from other tables. */
function withHeld(made: RouteState['active'], known: RouteState['active']): RouteState['active'] {
  return made === null || known === null ? made : { ...known, rollout: made.rollout };
}

function observed(
  state: RouteState,
  seenWeather: Weather,
  policy: RoutePolicy,
  at: {
    readonly now: number;
    readonly asks: number;
    readonly rollouts: number;
    readonly frozen: Frozen | null;
    readonly request: OperatorRequest | null;
    readonly isClosed: boolean;
  },
): Observation {
  const { active, last } = state;
  const held = last?.abortedBy === undefined ? null : { ...last.abortedBy, rolloutId: last.id, toward: last.toward };
  return {
    ...look(active?.rollout ?? null, seenWeather, policy, {
      now: at.now,
      asks: at.asks,
      openAskId: active?.askId ?? null,
      lastEndedAt: last?.since ?? null,
      lastToward: last?.toward ?? null,
      rolloutId: `rollout${at.rollouts}`,
    }),
    ...(held !== null && { held }),
    ...(at.frozen !== null && { frozen: at.frozen }),
    ...(at.isClosed && { closed: { until: at.now + 3_600_000, opens: 'Tue 09:00 Europe/Berlin' } }),
    request: at.request,
  };
}

function requestOf(
  { uid, isStale, isOfRoute }: Said,
  kind: OperatorRequest['kind'],
  { active, last }: RouteState,
  { id, by }: Pick<OperatorRequest, 'id' | 'by'>,
): OperatorRequest {
  const rollout: Rollout | null = active?.rollout ?? last;
  const isAnswer = kind === 'approve' || kind === 'reject';
  const askId = (active?.askId ?? 0) - Number(isStale);
  const isRoute = kind === 'propose' || (kind === 'resume' && isOfRoute);
  const next = rollout !== null && 'step' in rollout ? rollout.step + 1 : 1;
  const asked = rollout !== null && isAbout(rollout.ask, 'step') ? rollout.ask.step : null;
  return {
    id,
    kind,
    rolloutId: isRoute ? null : isStale || rollout === null ? 'zzzzzzzz' : rollout.id,
    askId: isAnswer ? askId : null,
    step: kind === 'over_evidence' ? next + Number(isStale) : isAnswer ? asked : null,
    reason: null,
    by,
    uid,
  };
}
