import type { DemandFigures } from '../criteria/criteria.ts';
import type { EndpointState } from '../endpoint-state.ts';
import type { ErrorCode } from '../errors.ts';
import type { FaultRow } from '../fault-kind.ts';
import type { Profile } from '../judge/profile.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { Spending } from '../money/spending.ts';
import type { BackPolicy } from '../policy/back.ts';
import type { BudgetPolicy } from '../policy/budget.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import type { Alternative } from '../rollout/instances.ts';
import type { WarmEndpoint } from '../rollout/rollout.ts';
import type { ShadowFigures } from '../rollout/ask.ts';
import type { StepFigures } from '../rollout/step-figures.ts';
import type { CallShape, Toward } from '../route.ts';
import type { ConcurrencySeen } from '../scaling/route-concurrency.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import type { Costs, TrafficFigures } from '../worth/traffic-history.ts';
import type { SloFigures } from '../worth/slo-watch.ts';

/** Work that takes time and runs beside the ticks. At most one effect of each kind is under way for a route. */
export type EffectName = 'survey' | 'ensure' | 'warm' | 'learn' | 'pause' | 'delete' | 'rescale' | 'sleep' | 'wake';

/** How the last effect of a kind ended. */
export interface EffectResult {
  readonly effect: EffectName;
  readonly at: number;
  readonly problem: { readonly code: ErrorCode; readonly message: string; readonly hint: string | null } | null;
  /** Only of `warm`: which shapes the endpoint answered, which failed, and the profile of serverless. */
  readonly warmed?: { readonly endpoint: WarmEndpoint; readonly failed: readonly string[]; readonly profile: Profile };
  /** Only of `learn`: what is usual for the endpoint. */
  readonly learned?: Profile;
}

/** Price, quota and model, read before a rollout is proposed. */
export interface Survey {
  readonly at: number;
  /** For `maxReplica` replicas, micro-dollars per hour; null if the price is not known. */
  readonly pricePerHourMicros: number | null;
  /** For the replicas that the measured concurrency needs, within the policy's bounds, micro-dollars per hour. */
  readonly expectedPerHourMicros: number | null;
  /** Why the instance or the model is not available; null if it is. */
  readonly problem: string | null;
  readonly hint: string | null;
  /** The instance that was chosen, or that the policy names; null if none fits. */
  readonly instance: PinnedInstance | null;
  /** The instances to try next, in this order, if that one cannot be had. Absent: none. */
  readonly alternatives?: readonly Alternative[];
}

/** The last reading of an endpoint, from the management API and its health route. */
export interface EndpointSeen {
  readonly at: number;
  readonly state: EndpointState | 'absent';
  /** Null also if calls may not go there. */
  readonly url: string | null;
  /** Where the management API says that it is, if calls may not go there; without a user name and password. */
  readonly foreignUrl?: string;
  /** Whether its health route answers 200. It is not asked while that could start the endpoint. */
  readonly isHealthy: boolean;
  /**
   * What its health route said instead of 200, and since when it has had this status, clock ms; absent if it was not asked or
   * answered 200. `status`: null if there was no answer.
   */
  readonly health?: { readonly status: number | null; readonly said: string; readonly since: number };
  /** Readings in a row, including this one, in which it was not healthy. */
  readonly badReadings: number;
  /** Whether it has upshift's tag; true if there is no endpoint. */
  readonly isOurs: boolean;
  readonly message: string | null;
  /** Replicas that are ready, and replicas that the endpoint is scaling to; null if there is no endpoint. */
  readonly readyReplica: number | null;
  readonly targetReplica: number | null;
  /** Null if the reading did not contain it. */
  readonly scaling: Scaling | null;
}

/** What can be asked of a route or its rollout. */
export const REQUEST_KINDS = [
  'approve',
  'over_evidence',
  'reject',
  'pause',
  'resume',
  'abort',
  'through_outage',
  'propose',
] as const;
type RequestKind = (typeof REQUEST_KINDS)[number];

/** Who said something, when (clock ms) and why. */
export interface Said {
  readonly by: string;
  readonly reason: string | null;
  readonly at: number;
}

/** A freeze of all routes that nobody has ended. */
export type Frozen = Said;

/** What is known while no change window of the policy is open. */
export interface Closed {
  /** When one opens, epoch ms; null: not within weeks. */
  readonly until: number | null;
  /** The same for people, by the clock of the window: `Tue 09:00 Europe/Berlin`. */
  readonly opens: string;
}

/** A command of an operator that waits in the ledger. */
export interface OperatorRequest {
  readonly id: number;
  readonly kind: RequestKind;
  /** Null: it is about the whole route. */
  readonly rolloutId: string | null;
  /** The ask that an approval or rejection answers. */
  readonly askId: number | null;
  readonly step: number | null;
  readonly reason: string | null;
  /** `user@host`. */
  readonly by: string;
  /** Number of the user. */
  readonly uid: number;
  /** A later request that was read together with this one and takes it back; absent: none. */
  readonly withdrawnBy?: Pick<OperatorRequest, 'kind' | 'by'>;
}

/** What serverless did in the last minute, whichever role it has. Attempts of fall-backs are included. */
export interface StableRecent {
  readonly attempts: number;
  readonly faults: number;
  readonly connectFailures: number;
  /** Agents that called, and those of them whose newest call got 402, 401 or 403; absent if none did. */
  readonly callers?: number;
  readonly denied?: number;
  /** Faults since the last answer, on the lane that has the fewest; absent: none. */
  readonly faultsInRow?: number;
}

/** What is needed to keep a budget, except what was spent. */
interface BudgetSeen {
  /** The budget in the policy file. For each figure, the lower of it and the pinned policy's counts. */
  readonly file: BudgetPolicy;
  /**
   * How long it takes from this tick, if the next one rolls back, until all calls have ended and the endpoint is
   * paused, ms.
   */
  readonly rollbackMs: number;
}

/** The figures from which a way back is proposed and continued. */
export interface BackSeen {
  /** The policy for a way back: the file's, or the one that the way back pins. */
  readonly policy: BackPolicy;
  /** The largest share of calls (0..1) that serverless may be expected to refuse. */
  readonly refusedMost: number;
  /** The whole route's traffic, whichever upstream it was assigned to; null before five whole minutes were seen. */
  readonly traffic: TrafficFigures | null;
  /** The endpoint's latency and availability against the policy's `slo`; null if the policy sets none. */
  readonly slo: SloFigures | null;
  /** Calls in five minutes that serverless is expected to take, over all its lanes; null if that is not known. */
  readonly serverlessLimit: number | null;
}

/**
 * Everything that a decision is based on, including the time. It is stored, so that the decision can be computed again.
 */
export interface Observation {
  readonly now: number;
  readonly model: string;
  /** The policy in force: the one that the active rollout pins, else the file's. */
  readonly policy: RoutePolicy;
  readonly policyHash: string;
  /** The hash of the file's policy, if it is not the one in force; else null. */
  readonly newPolicyHash: string | null;
  /** Whether the Hub accepts the token; `unchecked` until the Hub could be asked. */
  readonly account: 'ok' | 'unchecked' | 'refused';
  readonly demand: DemandFigures & { readonly holdsSince: number | null };
  /**
   * The outage of serverless of which the window of the demand has a part; absent if there is none. Clock ms; `until` is
   * now while it lasts.
   */
  readonly outage?: { readonly since: number; readonly until: number };
  /** When the route's last rollout ended, clock ms, and its direction. */
  readonly lastEndedAt: number | null;
  readonly lastToward: Toward | null;
  readonly survey: Survey | null;
  /** What the model's endpoints and the active rollout have cost; null if that is not known. */
  readonly spending: Spending | null;
  readonly budget: BudgetSeen;
  /** The id and endpoint name of a rollout that would be proposed now. */
  readonly next: { readonly rolloutId: string; readonly endpointName: string };
  readonly endpoint: EndpointSeen | null;
  readonly effects: readonly EffectName[];
  readonly results: Partial<Readonly<Record<EffectName, EffectResult>>>;
  readonly figures: StepFigures | null;
  /** The verdict on the step or the shadow stage, from the calls judged so far; null if nothing is judged. */
  readonly verdict: Verdict | null;
  /** The figures of the shadow stage; null in other phases. */
  readonly shadow: ShadowFigures | null;
  /** How many of the canary's last decided calls, without a break, were faults. */
  readonly canaryFaultsInRow: number;
  /** The same for the endpoint in a way back, in which it is the stable upstream. */
  readonly endpointFaultsInRow: number;
  /** Of which kinds they were; absent if there are none. */
  readonly canaryFaultRow?: FaultRow;
  readonly endpointFaultRow?: FaultRow;
  /** When the endpoint last answered a call or a copy of the rollout well, clock ms; absent: this process saw none. */
  readonly endpointAnsweredAt?: number;
  /** When the rollout last got a call that counts for a role, clock ms; absent: this process saw none. */
  readonly lastCallAt?: number;
  readonly stableRecent: StableRecent;
  /** Whether the calls that were on the endpoint when it lost its traffic have ended, or have run out of time. */
  readonly isDrained: boolean;
  readonly request: OperatorRequest | null;
  /** The freeze of all routes; absent: there is none. */
  readonly frozen?: Frozen;
  /** Present while no change window of the policy file is open; absent: changes may be made. */
  readonly closed?: Closed;
  /** The abort of the route's last rollout by a person, until somebody lifts it; absent: there is none. */
  readonly held?: Said & { readonly rolloutId: string; readonly toward: Toward };
  /**
   * The route's concurrency and a replica's measured capacity; absent before it was measured, or without an endpoint.
   */
  readonly concurrency?: ConcurrencySeen;
  /** Calls in five minutes that serverless is expected to take; null if no limit was learned. */
  readonly serverlessLimit?: number | null;
  /** Calls at once at which the endpoint last said that it is full; absent if it has not said so. */
  readonly endpointFullAt?: number;
  /** The id of the rollout's newest open ask; null if none is open. */
  readonly openAskId: number | null;
  /** The shapes of calls on the route. The warm-up calls cover them. */
  readonly shapes: readonly CallShape[];
  /** What the route's calls cost on serverless and on the endpoint; null if that is not known. */
  readonly costs: Costs | null;
  /** Null if no way back is possible. */
  readonly back: BackSeen | null;
}
