import type { DemandFigures } from '../criteria/criteria.ts';
import type { ErrorCode } from '../errors.ts';
import type { Profile } from '../judge/profile.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { Spending } from '../money/spending.ts';
import type { BackPolicy } from '../policy/back.ts';
import type { BudgetPolicy } from '../policy/budget.ts';
import type { RoutePolicy } from '../policy/policy.ts';
import type { WarmEndpoint } from '../rollout/rollout.ts';
import type { StepFigures } from '../rollout/step-figures.ts';
import type { CallShape, Toward } from '../route.ts';
import type { ConcurrencySeen } from '../scaling/route-concurrency.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import type { Costs, TrafficFigures } from '../worth/traffic-history.ts';
import type { SloFigures } from '../worth/slo-watch.ts';

/** Work that takes time and is carried out beside the ticks. At most one of a kind is under way for a route. */
export type EffectName = 'survey' | 'ensure' | 'warm' | 'learn' | 'pause' | 'rescale' | 'sleep' | 'wake';

/** How the last effect of a kind ended. */
export interface EffectResult {
  readonly effect: EffectName;
  readonly at: number;
  readonly problem: { readonly code: ErrorCode; readonly message: string; readonly hint: string | null } | null;
  /** Of `warm`: what the endpoint has shown. */
  readonly warmed?: { readonly endpoint: WarmEndpoint; readonly failed: readonly string[]; readonly profile: Profile };
  /** Of `learn`: what the endpoint has been like. */
  readonly learned?: Profile;
}

/** What is known before money is proposed to be spent: price, quota and the model itself. */
export interface Survey {
  readonly at: number;
  /** For all replicas at `maxReplica`, micro-dollars per hour; null where the price is not known. */
  readonly pricePerHourMicros: number | null;
  /** For the replicas that the concurrency seen needs, within the policy's bounds, micro-dollars per hour. Not in older surveys. */
  readonly expectedPerHourMicros?: number | null;
  /** Why the instance or the model cannot be had; null where it can. */
  readonly problem: string | null;
  readonly hint: string | null;
  /** What was chosen, or named; null where nothing fits. Surveys older than the choice have none. */
  readonly instance?: PinnedInstance | null;
}

/** An endpoint as the management API and its health route last showed it. */
export interface EndpointSeen {
  readonly at: number;
  readonly state:
    | 'absent'
    | 'pending'
    | 'initializing'
    | 'updating'
    | 'updateFailed'
    | 'running'
    | 'paused'
    | 'failed'
    | 'scaledToZero';
  readonly url: string | null;
  /** Whether its health route answers 200. */
  readonly isHealthy: boolean;
  /** Looks in a row, up to this one, at which it was not running and healthy. */
  readonly badReadings: number;
  /** Whether it carries our tag; true where there is none. */
  readonly isOurs: boolean;
  readonly message: string | null;
  /** Replicas that are ready, and that are wanted; older versions did not look. */
  readonly readyReplica?: number;
  readonly targetReplica?: number;
  /** Null where it cannot be read. */
  readonly scaling?: Scaling | null;
}

/** An operator's wish, waiting in the ledger. */
export interface OperatorRequest {
  readonly id: number;
  readonly kind: 'approve' | 'reject' | 'pause' | 'resume' | 'abort';
  readonly rolloutId: string;
  /** The ask that an approval or rejection answers. */
  readonly askId: number | null;
  readonly step: number | null;
  readonly reason: string | null;
  /** `user@host`. */
  readonly by: string;
}

/** What serverless did in the last minute, whichever role it plays, attempts of fall-backs included. */
export interface StableRecent {
  readonly attempts: number;
  readonly faults: number;
  readonly connectFailures: number;
}

/** Copies of the shadow stage, since it began or this process did. */
export interface ShadowFigures {
  readonly sent: number;
  readonly ended: number;
  /** Copies that the endpoint failed. */
  readonly faults: number;
  /** Calls chosen for copying and not copied: too many in flight, or too busy. */
  readonly dropped: number;
}

/** What keeping a budget needs beside what was spent. */
interface BudgetSeen {
  /** The file's own budget for the route: the tighter of it and the pinned one counts. */
  readonly file: BudgetPolicy;
  /** From this look, over the next, until the endpoint is paused with its calls ended, clock ms. */
  readonly rollbackMs: number;
}

/** What a promoted route, or a way back, is looked at for. */
export interface BackSeen {
  /** What holds for a way back: the file's policy, or that which a way back pins. */
  readonly policy: BackPolicy;
  /** The share of calls that serverless may be expected to refuse. */
  readonly refusedMost: number;
  /** The whole route's traffic, whichever side it was assigned to; null before five whole minutes were seen. */
  readonly traffic: TrafficFigures | null;
  /** What the endpoint owes and gives; null where nothing is asked of it. */
  readonly slo: SloFigures | null;
  /** Calls in five minutes that serverless is thought to take, all its ways together; null where that is not known. */
  readonly serverlessLimit: number | null;
}

/** Everything that a decision may look at, `now` included. Frozen, stored, and enough to decide again offline. */
export interface Observation {
  readonly now: number;
  readonly model: string;
  /** The policy in force: the one a rollout pins, else the file's. */
  readonly policy: RoutePolicy;
  readonly policyHash: string;
  /** The file's policy, where it is no longer the one in force. */
  readonly newPolicyHash: string | null;
  /** What the Hub said of our token; `unchecked` until it could be asked. */
  readonly account: 'ok' | 'unchecked' | 'refused';
  readonly demand: DemandFigures & { readonly holdsSince: number | null };
  /** When the route's last rollout ended, and where it went. */
  readonly lastEndedAt: number | null;
  readonly lastToward?: Toward | null;
  readonly survey: Survey | null;
  /** What the model's endpoints have cost, and the active rollout's; null where it is not known. */
  readonly spending?: Spending | null;
  /** Absent before there were budgets. */
  readonly budget?: BudgetSeen;
  /** The id and endpoint name that a rollout proposed now would get. */
  readonly next: { readonly rolloutId: string; readonly endpointName: string };
  readonly endpoint: EndpointSeen | null;
  readonly effects: readonly EffectName[];
  readonly results: Partial<Readonly<Record<EffectName, EffectResult>>>;
  readonly figures: StepFigures | null;
  /** What the judge says of the stop, or of the shadow stage, on the calls taken so far; null where nothing is judged. */
  readonly verdict: Verdict | null;
  /** What became of the copies of the shadow stage; null outside of it. */
  readonly shadow: ShadowFigures | null;
  /** Faults of the canary in a row, the last call that was decided being the last of them. */
  readonly canaryFaultsInRow: number;
  /** The same of the endpoint on a way back, where it is not the canary. */
  readonly endpointFaultsInRow?: number;
  readonly stableRecent: StableRecent;
  /** Whether the calls that the endpoint was serving when its weight became 0 have ended, or their time is over. */
  readonly isDrained: boolean;
  readonly request: OperatorRequest | null;
  /** The route's concurrency, and what a replica was seen to carry; absent before it was measured, or without an endpoint. */
  readonly concurrency?: ConcurrencySeen;
  /** Calls in five minutes that serverless is thought to take; null where no limit was learned. */
  readonly serverlessLimit?: number | null;
  /** The newest ask of the rollout that is still open. */
  readonly openAskId: number | null;
  /** Shapes of call seen on the route: what the endpoint should be asked to show. */
  readonly shapes: readonly CallShape[];
  /** What the route's calls cost on either side; null or absent where that is not known. */
  readonly costs?: Costs | null;
  /** Null or absent where no way back is to be thought of. */
  readonly back?: BackSeen | null;
}
