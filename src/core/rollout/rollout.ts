import type { Cause } from '../cause.ts';
import type { Profile } from '../judge/profile.ts';
import type { BudgetMark } from '../money/budget-marks.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import type { CallShape, Toward } from '../route.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { Ask, SaidCost, ShadowFigures } from './ask.ts';
import type { Closings } from './closings.ts';
import type { CoveredInstances } from './instances.ts';
import type { Pause } from './pauses.ts';
import { otherShare } from './split.ts';

/** The endpoint that gets calls or copies of calls in a rollout, or may get them soon; null if there is none. */
export function endpointOf(rollout: Rollout): WarmEndpoint | null {
  if (isLive(rollout)) return rollout.endpoint;
  return rollout.phase === 'proposed' ? (rollout.wayBack?.endpoint ?? null) : null;
}

/** The endpoint's share of eligible calls (0..1), whichever role it has. */
export function endpointShare(rollout: Rollout | null, policy: Pick<RoutePolicy, 'steps' | 'holdBack'>): number {
  const { weight } = weights(rollout, policy);
  return rollout?.toward === 'serverless' ? otherShare(weight) : weight;
}

/** The phases of a route. `watching`: the route has no active rollout. */
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

/** An endpoint that has answered warm-up calls. */
export interface WarmEndpoint {
  readonly url: string;
  /** The name under which its engine serves the model. */
  readonly servedModel: string;
  /** The shapes of calls that it has answered. */
  readonly shapes: readonly CallShape[];
  /** Tokens of a prompt and its answer together, as its engine states them; absent if it does not. */
  readonly contextTokens?: number;
}

/** What is known when a way back begins, because its endpoint already serves calls. */
export interface WayBack {
  /** The id of the promoted rollout. It ends if this one succeeds, and is active again if this one does not. */
  readonly replaces: string;
  readonly endpoint: WarmEndpoint;
  /**
   * What was usual for the endpoint before. It does not change, so that all calls of the rollout are measured alike.
   */
  readonly profile: Profile;
  /** When upshift began to create the endpoint, clock ms. It may cost money since then. */
  readonly runsSince: number;
}

/**
 * How a rollout ends. `returned`: all calls go to serverless, because a way back has succeeded or because the endpoint
 * had to be left during a way back.
 */
export type RolloutOutcome = 'aborted' | 'failed' | 'returned';

export interface RolloutBase extends CoveredInstances {
  /** Eight lower-case letters and digits; part of the endpoint's name. */
  readonly id: string;
  readonly model: string;
  readonly policyHash: string;
  readonly toward: Toward;
  readonly createdAt: number;
  /** The endpoint's name. It is fixed before the endpoint is created, so that a restarted daemon finds the endpoint. */
  readonly endpointName: string;
  readonly namespace: string;
  /** When the criteria, or the cause of a way back, began to hold, clock ms. */
  readonly criteriaSince: number;
  /** Who began it by hand, and why; absent: the criteria did. */
  readonly proposedBy?: SaidBy;
  /** Every rollout toward serverless has it, and no other rollout does. */
  readonly wayBack?: WayBack;
  /** A paused rollout enters no step, but it is still rolled back if it must be. */
  readonly isPaused: boolean;
  /** Who paused it, and why; absent: it is not paused. */
  readonly pausedBy?: SaidBy;
  /** Whether a person has frozen all routes; absent: no. */
  readonly isFrozen?: boolean;
  /** When it was paused or frozen, oldest first; absent: never. */
  readonly pauses?: readonly Pause[];
  /** How long no change window was open; absent: one always was, or no deadline depends on it. */
  readonly closings?: Closings;
  readonly ask: Ask | null;
  /** What all calls were last said to cost on serverless; absent: it was never known when something was asked. */
  readonly serverlessMonth?: SaidCost;
  /** The step that was last entered over the evidence, who wanted it, and why; absent: none was. */
  readonly overruled?: SaidBy & { readonly step: number };
  /** Which budgets were warned about, asked about and extended; absent: none. */
  readonly budget?: readonly BudgetMark[];
  /**
   * Who aborted it and when, clock ms. As long as it stands here, nothing like it is proposed for the route by itself. Absent:
   * nobody did, or somebody has lifted it.
   */
  readonly abortedBy?: SaidBy & { readonly at: number };
  /** When the phase, or the step in it, was entered, clock ms. */
  readonly since: number;
}

/** What a rollout is when it is proposed; the rest happens to it later. */
export type ProposedRollout = Omit<
  RolloutBase,
  | 'isPaused'
  | 'pausedBy'
  | 'isFrozen'
  | 'pauses'
  | 'closings'
  | 'abortedBy'
  | 'ask'
  | 'serverlessMonth'
  | 'overruled'
  | 'since'
>;

/** Who wanted something, and why. */
export interface SaidBy {
  /** `user@host`. */
  readonly by: string;
  readonly reason: string | null;
}

/** What a rollout has in every phase in which the two upstreams are compared. */
export interface Judged {
  readonly startedAt: number;
  readonly endpoint: WarmEndpoint;
  /** What was usual for the stable upstream before. It does not change, so that all calls are measured alike. */
  readonly profile: Profile;
}

/** One migration of a route. A field exists only in the phases that have it. */
export type Rollout = RolloutBase &
  (
    | { readonly phase: 'proposed' }
    | {
        readonly phase: 'provisioning';
        readonly startedAt: number;
        /** Whether the endpoint has been seen. upshift does not create it again after that. */
        readonly isMade: boolean;
        /** Its instance cannot be had: the endpoint is being deleted, and the next instance comes afterwards. */
        readonly isLeaving?: true;
      }
    | { readonly phase: 'warming'; readonly startedAt: number; readonly url: string }
    | ({
        /** Copies of calls go to the endpoint, but no calls yet. */
        readonly phase: 'shadowing';
      } & Judged)
    | ({
        readonly phase: 'stepping';
        /** 0: the endpoint is ready and gets no calls yet; 1..n-1: the present step. */
        readonly step: number;
        /** What became of the copies of the shadow stage; absent without one, and after step 0. */
        readonly shadow?: ShadowFigures;
        readonly through?: Through;
      } & Judged)
    | ({
        /** The last step: all calls except a small share, the control group, go to the canary. */
        readonly phase: 'holding';
        readonly step: number;
        readonly through?: Through;
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
        readonly cause?: Cause;
      }
    | {
        readonly phase: RolloutOutcome;
        readonly reason: string;
        readonly hint: string | null;
        readonly cause?: Cause;
      }
  );

/** Whether two rollouts, or two states of one, are the same rollout with the same endpoint. */
export function isSameEndpoint(a: Rollout | null, b: Rollout | null): boolean {
  return a?.id === b?.id && a?.endpointName === b?.endpointName;
}

/** Whether a rollout in this phase has ended. */
export function isOver(phase: string): phase is RolloutOutcome {
  return phase === 'aborted' || phase === 'failed' || phase === 'returned';
}

/** Whether a rollout still occupies its route. */
export function isActive(rollout: Rollout): boolean {
  return !isOver(rollout.phase);
}

/** A rollout whose endpoint is ready, and which may have to be rolled back. */
export type Live = Extract<Rollout, { phase: 'shadowing' | 'stepping' | 'holding' | 'promoted' }>;

/** Whether the endpoint gets calls or copies of calls, or will get them next. */
export function isLive(rollout: Rollout): rollout is Live {
  const { phase } = rollout;
  return phase === 'shadowing' || phase === 'stepping' || phase === 'holding' || phase === 'promoted';
}

/**
 * A rollout's step and the canary's share of eligible calls (0..1), by the rollout's policy. Computed, never stored.
 */
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
 * The canary's weight at a step (0..1), 0 at step 0. At the last step a control group stays on the stable upstream. A
 * way back uses the policy's weights for the endpoint in reverse order: if the policy has 10, 25, 50, 75 and 100 %, the
 * endpoint has 75, 50, 25, 10 and 0 %, not counting the control group.
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
 * The calls of a promoted endpoint go to serverless for a while, because the endpoint cannot answer. `rescale`: its
 * scaling is being changed, and its proxy answers 503 for most of a minute meanwhile. `sleep`: it is scaled to zero.
 */
export type Detour =
  | {
      readonly why: 'rescale';
      readonly since: number;
      readonly scaling: Scaling;
      /** Eligible calls that serverless had served in earlier detours of the rollout. */
      readonly bridgedBefore: number;
    }
  | {
      readonly why: 'sleep';
      readonly since: number;
      readonly bridgedBefore: number;
      /** When there was demand again and upshift began to wake it, clock ms. */
      readonly wokenAt?: number;
    };

/**
 * Serverless is out, and its calls go to the endpoint until it is back, as far as the endpoint carries them. No call has a role
 * meanwhile.
 */
export interface Through {
  /** When serverless went out, clock ms. */
  readonly since: number;
  /** Who wanted it: `user@host`, or `policy`. */
  readonly by: string;
}

/** The outage through which the endpoint takes the calls of serverless; null if it takes only its own. */
export function throughOf(rollout: Rollout | null): Through | null {
  return rollout?.phase === 'stepping' || rollout?.phase === 'holding' ? (rollout.through ?? null) : null;
}

/** What a promoted rollout may also have. A field is absent if it does not apply. */
interface Promoting {
  readonly detour?: Detour;
  /** The scaling to which the endpoint was last changed; absent: the policy's. */
  readonly scaling?: Scaling;
  /** When the scaling was last changed, or a change was last asked about or given up, clock ms. */
  readonly rescaledAt?: number;
  /** An approved change that has not begun. */
  readonly granted?: Scaling;
}
