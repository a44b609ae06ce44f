import type { Ask } from './ask.ts';
import { isAbout } from './ask.ts';
import type { BudgetMark } from './money/marks.ts';
import { marked } from './money/marks.ts';
import type { RoutePolicy } from './policy.ts';
import type { Profile } from './profile.ts';
import type { RolloutEvent } from './rollout-event.ts';
import type { CallShape, Toward } from './route.ts';
import type { PinnedInstance } from './sizing/pinned.ts';
import type { Promoting } from './scaling/detour.ts';
import { isDetourEvent, onDetour, onScalingAsk } from './scaling/detour.ts';
import { otherShare } from './split.ts';

export type { RolloutEvent } from './rollout-event.ts';
export { isAbout } from './ask.ts';
export type { Ask, AskAbout } from './ask.ts';

/** Where a route stands. `watching` is a route without an active rollout. */
export type Phase =
  | 'watching'
  | 'proposed'
  | 'provisioning'
  | 'warming'
  | 'shadowing'
  | 'stepping'
  | 'holding'
  | 'promoted'
  | 'draining'
  | 'aborted'
  | 'failed'
  | 'returned';

/** The endpoint that a rollout moves traffic to, once it has shown that it can answer. */
export interface WarmEndpoint {
  readonly url: string;
  /** The name under which its engine serves the model. */
  readonly servedModel: string;
  /** The shapes of call that it has answered. */
  readonly shapes: readonly CallShape[];
}

/** What a way back knows from its beginning: its endpoint has served for a while. */
export interface WayBack {
  /** The id of the promoted rollout that is over when this one succeeds, and active again where it does not. */
  readonly replaces: string;
  readonly endpoint: WarmEndpoint;
  /** What the endpoint was like before: frozen, so that every call of the rollout is measured alike. */
  readonly profile: Profile;
  /** When the endpoint was asked for: since then it costs money. */
  readonly runsSince: number;
}

/** How a rollout ends. `returned`: its calls are all back on serverless because a way back has succeeded. */
export type RolloutOutcome = 'aborted' | 'failed' | 'returned';

export interface RolloutBase {
  /** Eight lower-case letters and digits; part of the endpoint's name. */
  readonly id: string;
  readonly model: string;
  readonly policyHash: string;
  readonly toward: Toward;
  readonly createdAt: number;
  /** The endpoint's name, known before it exists, so that it can be found whatever dies in between. */
  readonly endpointName: string;
  readonly namespace: string;
  readonly pricePerHourMicros: number;
  /** What its endpoint is made on; rollouts older than the choice have none, and use what their policy names. */
  readonly instance?: PinnedInstance;
  /** When the criteria had begun to hold. */
  readonly criteriaSince: number;
  /** Of each rollout toward serverless, and of no other. */
  readonly wayBack?: WayBack;
  /** A paused rollout stays where it is: it advances no step, but it still goes back when it must. */
  readonly isPaused: boolean;
  readonly ask: Ask | null;
  /** What was said and granted of budgets; absent: nothing yet. */
  readonly budget?: readonly BudgetMark[];
  /** When the phase, or the step within it, was entered. */
  readonly since: number;
}

/** What every phase has in which the two sides are compared. */
interface Judged {
  readonly startedAt: number;
  readonly endpoint: WarmEndpoint;
  /** What the stable side was like before: frozen, so that every call of the rollout is measured alike. */
  readonly profile: Profile;
}

/** One migration of a route. A field exists only in the phases that have it. */
export type Rollout = RolloutBase &
  (
    | { readonly phase: 'proposed' }
    | {
        readonly phase: 'provisioning';
        readonly startedAt: number;
        /** Whether the endpoint has been seen: once made it is never made again. */
        readonly isMade: boolean;
      }
    | { readonly phase: 'warming'; readonly startedAt: number; readonly url: string }
    | ({
        /** Copies of calls go to the endpoint; it gets none of its own yet. */
        readonly phase: 'shadowing';
      } & Judged)
    | ({
        readonly phase: 'stepping';
        /** 0: ready, no traffic yet; 1..n-1: the stop it stands at. */
        readonly step: number;
      } & Judged)
    | ({
        /** The last stop: all calls but a small share, the control group, go to the canary. */
        readonly phase: 'holding';
        readonly step: number;
      } & Judged)
    | ({
        readonly phase: 'promoted';
        readonly startedAt: number;
        readonly step: number;
        readonly endpoint: WarmEndpoint;
      } & Promoting)
    | {
        readonly phase: 'draining';
        readonly outcome: RolloutOutcome;
        readonly reason: string;
        readonly hint: string | null;
      }
    | {
        readonly phase: RolloutOutcome;
        readonly reason: string;
        readonly hint: string | null;
      }
  );

/** A fold over a rollout's events; the first must be `proposed`. `at`: when it happened, epoch ms of clock time. */
export function evolve(rollout: Rollout | null, event: RolloutEvent, at: number): Rollout {
  if (event.type === 'proposed') return { ...event.rollout, phase: 'proposed', isPaused: false, ask: null, since: at };
  if (rollout === null) throw new Error(`the first event of a rollout must be "proposed", not "${event.type}"`);
  const base = baseOf(rollout);
  const startedAt = 'startedAt' in rollout ? rollout.startedAt : at;
  if (isDetourEvent(event)) return onDetour(rollout, event, at);
  switch (event.type) {
    case 'asked': {
      const { type: _, ...asked } = event;
      return onScalingAsk({ ...rollout, ask: { ...asked, at } }, event, rollout, at);
    }
    case 'ask_withdrawn':
    case 'approved': {
      const ask = isAbout(rollout.ask, event.about ?? 'step') ? null : rollout.ask;
      return onScalingAsk({ ...rollout, ask }, event, rollout, at);
    }
    case 'budget_warned':
    case 'budget_asked':
    case 'budget_extended':
      return { ...rollout, budget: marked(rollout.budget ?? [], event) };
    case 'paused':
      return { ...rollout, isPaused: true };
    case 'resumed':
      return { ...rollout, isPaused: false };
    case 'provisioning_started':
      return { ...base, phase: 'provisioning', startedAt: at, isMade: false, since: at };
    case 'endpoint_made':
      if (rollout.phase !== 'provisioning') throw unexpected(rollout, event);
      return { ...rollout, isMade: true };
    case 'endpoint_ready':
      return { ...base, phase: 'warming', startedAt, url: event.url, since: at };
    case 'warmed': {
      const judged = { startedAt, endpoint: event.endpoint, profile: event.profile };
      if (event.next === 'shadowing') return { ...base, ...judged, phase: 'shadowing', since: at };
      return { ...base, ...judged, phase: 'stepping', step: 0, since: at };
    }
    case 'shadow_ended':
      if (rollout.phase !== 'shadowing') throw unexpected(rollout, event);
      return { ...base, ...judgedOf(rollout), phase: 'stepping', step: 0, since: at };
    case 'step_entered': {
      const judged = rollout.phase === 'stepping' ? judgedOf(rollout) : firstJudged(rollout, at);
      if (judged === null) throw unexpected(rollout, event);
      return { ...base, ...judged, phase: event.phase, step: event.step, since: at };
    }
    case 'promoted':
      if (rollout.phase !== 'holding') throw unexpected(rollout, event);
      return { ...base, phase: 'promoted', startedAt, step: rollout.step + 1, endpoint: rollout.endpoint, since: at };
    case 'draining':
      return {
        ...base,
        ask: null,
        phase: 'draining',
        outcome: event.outcome,
        reason: event.reason,
        hint: event.hint,
        since: at,
      };
    case 'ended':
      return { ...base, ask: null, phase: event.outcome, reason: event.reason, hint: event.hint, since: at };
  }
}

/** A way back needs nothing made: it goes from its proposal to its first step. */
function firstJudged({ phase, wayBack }: Rollout, at: number): Judged | null {
  if (phase !== 'proposed' || wayBack === undefined) return null;
  return { startedAt: at, endpoint: wayBack.endpoint, profile: wayBack.profile };
}

function judgedOf({ startedAt, endpoint, profile }: Judged): Judged {
  return { startedAt, endpoint, profile };
}

function baseOf(rollout: Rollout): RolloutBase {
  const { id, model, policyHash, toward, createdAt, endpointName, namespace, pricePerHourMicros } = rollout;
  const { instance, criteriaSince, wayBack, isPaused, budget, since } = rollout;
  const fixed = {
    id,
    model,
    policyHash,
    toward,
    createdAt,
    endpointName,
    namespace,
    pricePerHourMicros,
    ...(instance === undefined ? {} : { instance }),
    criteriaSince,
    ...(budget !== undefined && { budget }),
    ...(wayBack !== undefined && { wayBack }),
  };
  // A step that is taken answers the question about it; the others stay open.
  return { ...fixed, isPaused, ask: isAbout(rollout.ask, 'step') ? null : rollout.ask, since };
}

function unexpected(rollout: Rollout, event: RolloutEvent): Error {
  return new Error(`event "${event.type}" cannot happen to rollout ${rollout.id} in phase "${rollout.phase}"`);
}

/** Whether a rollout in this phase is history. */
export function isOver(phase: string): phase is RolloutOutcome {
  return phase === 'aborted' || phase === 'failed' || phase === 'returned';
}

/** Whether a rollout still occupies its route. */
export function isActive(rollout: Rollout): boolean {
  return !isOver(rollout.phase);
}

/** A rollout whose endpoint is ready, and whose traffic may have to go back. */
export type Live = Extract<Rollout, { phase: 'shadowing' | 'stepping' | 'holding' | 'promoted' }>;

/** Whether the endpoint gets calls, or copies of them, or is about to. */
export function isLive(rollout: Rollout): rollout is Live {
  const { phase } = rollout;
  return phase === 'shadowing' || phase === 'stepping' || phase === 'holding' || phase === 'promoted';
}

/** The canary's share of eligible calls that a rollout stands for, by its own policy. Derived, never stored. */
export function weights(
  rollout: Rollout | null,
  policy: Pick<RoutePolicy, 'steps' | 'holdBack'>,
): { step: number; weight: number } {
  switch (rollout?.phase) {
    case 'stepping':
    case 'holding':
      return { step: rollout.step, weight: stopWeight(rollout.step, policy, rollout.toward) };
    case 'promoted':
      return { step: rollout.step, weight: rollout.detour === undefined ? 1 : 0 };
    case 'draining':
      return rollout.outcome === 'returned' ? { step: policy.steps.length + 1, weight: 1 } : { step: 0, weight: 0 };
    default:
      return { step: 0, weight: 0 };
  }
}

/**
 * The canary's weight at a stop, 0 for step 0; at the last one a control group stays with stable. A way back leaves the
 * endpoint the policy's weights in reverse: with 10, 25, 50, 75, 100 % it has 75, 50, 25, 10 and 0.
 */
export function stopWeight(
  step: number,
  { steps, holdBack }: Pick<RoutePolicy, 'steps' | 'holdBack'>,
  toward: Toward = 'dedicated',
): number {
  if (step === 0) return 0;
  const way = toward === 'dedicated' ? steps : [...steps.slice(0, -1).map(otherShare).toReversed(), 1];
  return Math.min(way[step - 1] ?? 1, 1 - holdBack.share);
}
