import type { Profile } from '../judge/profile.ts';
import type { BudgetMark } from '../money/budget-marks.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import type { CallShape, Toward } from '../route.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import type { Ask } from './ask.ts';
import { otherShare } from './split.ts';

/** The endpoint that a rollout splits calls with, or may; null where it has none. */
export function endpointOf(rollout: Rollout): WarmEndpoint | null {
  if (isLive(rollout)) return rollout.endpoint;
  return rollout.phase === 'proposed' ? (rollout.wayBack?.endpoint ?? null) : null;
}

/** The endpoint's share of eligible calls, whichever role it plays. */
export function endpointShare(rollout: Rollout | null, policy: Pick<RoutePolicy, 'steps' | 'holdBack'>): number {
  const { weight } = weights(rollout, policy);
  return rollout?.toward === 'serverless' ? otherShare(weight) : weight;
}

/** Where a route stands. `watching` is a route without an active rollout. */
export const PHASES = [
  'watching',
  'proposed',
  'provisioning',
  'warming',
  'shadowing',
  'stepping',
  'holding',
  'promoted',
  'draining',
  'aborted',
  'failed',
  'returned',
] as const;
export type Phase = (typeof PHASES)[number];

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
export interface Judged {
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
  toward: Toward,
): number {
  if (step === 0) return 0;
  const way = toward === 'dedicated' ? steps : [...steps.slice(0, -1).map(otherShare).toReversed(), 1];
  return Math.min(way[step - 1] ?? 1, 1 - holdBack.share);
}

/**
 * A promoted endpoint's traffic is with serverless for a while, since the endpoint cannot take it: its scaling is being
 * changed, which has its proxy answer 503 for most of a minute, or it sleeps.
 */
export type Detour =
  | {
      readonly why: 'rescale';
      readonly since: number;
      readonly scaling: Scaling;
      /** Eligible calls that serverless had served in earlier detours. */
      readonly bridgedBefore: number;
    }
  | {
      readonly why: 'sleep';
      readonly since: number;
      readonly bridgedBefore: number;
      /** When there was demand again, and it was woken. */
      readonly wokenAt?: number;
    };

/** What a promoted rollout may have besides; each is absent where it does not apply. */
export interface Promoting {
  readonly detour?: Detour;
  /** What the endpoint's scaling was last changed to; absent: as the policy made it. */
  readonly scaling?: Scaling;
  /** When its scaling was last changed, or a change was asked for. */
  readonly rescaledAt?: number;
  /** A change that a person has said yes to and that has not begun. */
  readonly granted?: Scaling;
}
