import type { Affinity } from '../route.ts';
import type { ApprovalsPolicy } from './approvals.ts';
import type { BackPolicy } from './back.ts';
import type { BudgetPolicy } from './budget.ts';
import type { CarePolicy } from './care.ts';
import type { CriteriaPolicy } from './criteria.ts';
import type { EndpointPolicy } from './endpoint.ts';
import type { GatewayPolicy } from './gateway.ts';
import type { JudgePolicy } from './judge.ts';
import type { OverflowPolicy } from './overflow.ts';
import type { ScalingPolicy } from './scaling.ts';
import type { SweepPolicy } from './sweep.ts';
import type { ChangeWindow } from './windows.ts';

/** How careful a rollout is. Spans in clock ms, shares 0..1. */
export interface LimitsPolicy {
  /** How long a step lasts at least. */
  readonly bake: number;
  /** Calls of the endpoint that must have been judged in a step before it may end. */
  readonly minCalls: number;
  /** Canary faults in a row, while stable is healthy, after which the rollout rolls back at once. */
  readonly consecutiveFaults: number;
  /** From the approval to a warm endpoint. */
  readonly provisionWithin: number;
  /** If a step takes longer, the rollout holds and says so; under `approval: automatic` it is aborted. */
  readonly stepWithin: number;
  readonly rolloutWithin: number;
  /** How long a proposal waits for a person's answer. */
  readonly proposalOpen: number;
}

/** Copies of calls to a warm endpoint before it gets any of its own. */
export interface ShadowPolicy {
  /** Share of eligible calls that are copied; 0 leaves the stage out. */
  readonly share: number;
  /** Share of the calls to serverless that are copied in the steps; absent, or if `share` is 0: none. */
  readonly continue?: number;
  /** How long the stage lasts, clock ms. */
  readonly time: number;
  /** Copies in flight at once, at most. Calls beyond that are counted but not copied. */
  readonly concurrency: number;
  /** Copies in all, at most. */
  readonly calls: number;
  /** Agents and call shapes that are never copied. */
  readonly exclude: readonly string[];
}

/** The share of calls that stays on serverless at 100 %, as a control group, and for how long (clock ms). */
interface HoldBackPolicy {
  readonly share: number;
  readonly time: number;
}

/** All settings of one route, defaults filled in. */
export interface RoutePolicy {
  readonly model: string;
  readonly approval: 'manual' | 'automatic';
  readonly approvals: ApprovalsPolicy;
  /** Whether a person may enter a step although its evidence is missing or no pass. */
  readonly overEvidence: boolean;
  /** When changes toward an endpoint may be made; empty: always. */
  readonly windows: readonly ChangeWindow[];
  readonly criteria: CriteriaPolicy;
  /** Rising weights, the last 1. */
  readonly steps: readonly number[];
  readonly affinity: Affinity;
  readonly limits: LimitsPolicy;
  readonly judge: JudgePolicy;
  readonly shadow: ShadowPolicy;
  readonly holdBack: HoldBackPolicy;
  readonly back: BackPolicy;
  readonly care: CarePolicy;
  readonly overflow: OverflowPolicy;
  readonly scaling: ScalingPolicy;
  /** In ms of real time; on a simulation's faster clock the daemon shrinks them, to no less than five seconds. */
  readonly timeouts: {
    readonly connect: number;
    readonly firstByte: number;
    readonly betweenChunks: number;
    readonly total: number;
    /** Those of serverless; all others but `connect` are those of the endpoint. */
    readonly serverless: { readonly betweenChunks: number; readonly total: number };
  };
  readonly budget: BudgetPolicy;
  readonly endpoint: EndpointPolicy | null;
}

/** A whole policy: the settings of each listed route, and those of models that are only watched. */
export interface Policy {
  readonly watched: RoutePolicy;
  readonly routes: readonly RoutePolicy[];
  /** What the sweep does with endpoints that no rollout uses. */
  readonly sweep: SweepPolicy;
  /** What the gateway takes. */
  readonly gateway: GatewayPolicy;
}
