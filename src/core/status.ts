import type { LaneKey, LaneStatus } from './care/lane-status.ts';
import type { Cause } from './cause.ts';
import type { CriteriaResult, DemandFigures } from './criteria/criteria.ts';
import type { Action, Reason } from './decide/decision.ts';
import type { EndpointSeen, Frozen } from './decide/observation.ts';
import type { FaultRow } from './fault-kind.ts';
import type { IneligibleReason } from './eligibility.ts';
import type { Verdict, VerdictStatus } from './judge/verdict.ts';
import type { EndpointLoadStatus } from './overflow/load-status.ts';
import type { CriteriaPolicy } from './policy/criteria.ts';
import type { AskAbout, ShadowFigures, Terms } from './rollout/ask.ts';
import type { Alternative, LeftInstance } from './rollout/instances.ts';
import type { Detour, Phase, SaidBy, Through } from './rollout/rollout.ts';
import type { StepFigures } from './rollout/step-figures.ts';
import type { Toward } from './route.ts';
import type { ConcurrencySeen } from './scaling/route-concurrency.ts';
import type { Scaling } from './scaling/scaling.ts';
import type { PinnedInstance } from './sizing/pinned.ts';
import type { TrafficFigures } from './worth/traffic-history.ts';

/**
 * The daemon's status: one row in the ledger, which the command line reads. It is only for display: a new process does
 * not start from it. Times in epoch ms of clock time.
 */
export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  readonly at: number;
  readonly startedAt: number;
  readonly gatewayPort: number;
  readonly adminPort: number;
  readonly timeScale: number;
  readonly policy: { readonly path: string; readonly hash: string; readonly problem: string | null };
  readonly account: { readonly state: 'ok' | 'unchecked' | 'refused'; readonly name: string | null };
  /** The freeze of all routes; absent: there is none. */
  readonly frozen?: Frozen;
  readonly ledger: {
    readonly pending: number;
    readonly lost: number;
    readonly isDegraded: boolean;
    /** What is wrong with its files, so that nothing new is decided; null if nothing is. */
    readonly fault: string | null;
  };
  readonly gateway: {
    readonly inFlight: number;
    readonly calls: number;
    readonly ineligible: number;
    /** Of the ineligible calls, how many for which reason. */
    readonly ineligibleBecause: Readonly<Partial<Record<IneligibleReason, number>>>;
    readonly withoutToken: number;
    /** Calls that the endpoint got without a role, because serverless was out. */
    readonly throughOutage: number;
    /** Null if this machine could send every attempt since the start. */
    readonly localTrouble: LocalTrouble | null;
  };
  readonly routes: readonly RouteStatus[];
  /** One sentence for each endpoint that a person should check, because no rollout or no call uses it. */
  readonly endpoints: readonly string[];
  /** The busiest lanes to serverless, the busiest first. */
  readonly lanes: readonly (LaneKey & LaneStatus)[];
}

/** Attempts that this machine could not send, for lack of file descriptors, ports or memory. */
export interface LocalTrouble {
  readonly attempts: number;
  readonly lastAt: number;
  /** Why the last one could not be sent. */
  readonly error: string;
}

/** Whether a change window is open. */
export interface WindowStatus {
  readonly isOpen: boolean;
  /** When that changes, epoch ms; null: not within weeks. */
  readonly until: number | null;
  /** The same for people, by the clock of the window: `Tue 09:00 Europe/Berlin`. */
  readonly untilText: string;
}

/** The status of one route. */
export interface RouteStatus {
  readonly model: string;
  readonly phase: Phase;
  readonly decision: {
    readonly action: Action;
    readonly reason: Reason;
    /** Absent: nothing is in the way. */
    readonly cause?: Cause;
    readonly detail: string;
    readonly at: number;
  } | null;
  readonly demand: DemandFigures & { readonly holdsSince: number | null };
  readonly criteria: CriteriaPolicy & { readonly result: CriteriaResult };
  readonly rollout: RolloutStatus | null;
  /** Since when serverless has been out, clock ms; absent: it is not. */
  readonly outSince?: number;
  /** The change windows of the policy file; absent: it has none, so that changes may always be made. */
  readonly windows?: WindowStatus;
  /** How the route's last rollout ended; null if there is none or one is active. */
  readonly lastRollout: {
    readonly id: string;
    readonly phase: Phase;
    readonly at: number;
    readonly reason: string;
    readonly hint: string | null;
    readonly cause?: Cause;
  } | null;
  /** What a person should know or do, the most urgent first. */
  readonly notes: readonly string[];
  /** The whole route's traffic; null while no endpoint serves it. */
  readonly traffic: TrafficFigures | null;
}

export interface RolloutStatus {
  readonly id: string;
  readonly toward: Toward;
  readonly createdAt: number;
  readonly since: number;
  /** When the endpoint was requested. From then on it may cost money. Null before. */
  readonly startedAt: number | null;
  /** Who began it by hand, and why; absent: the criteria did. */
  readonly proposedBy?: SaidBy;
  readonly isPaused: boolean;
  readonly pausedBy?: SaidBy;
  /** Who entered the present step over the evidence, and why; absent: nobody did. */
  readonly overruledBy?: SaidBy;
  /** Since when it is paused or frozen; absent: it is neither. */
  readonly pausedSince?: number;
  readonly step: number;
  /** The endpoint's share of eligible calls at each step (`steps`) and now (`weight`). On a way back it falls. */
  readonly steps: readonly number[];
  readonly weight: number;
  /** Shares of this step's eligible calls: assigned to the endpoint, and served by it. Null before the first call. */
  readonly assignedShare: number | null;
  readonly servedShare: number | null;
  readonly figures: StepFigures | null;
  readonly verdict: Verdict | null;
  readonly shadow: ShadowFigures | null;
  /** How long the step or the shadow stage lasts at least. */
  readonly bakeMs: number;
  readonly minCalls: number;
  /** Faults of the endpoint in a row, by kind; absent: its last call was answered. */
  readonly faultRow?: FaultRow;
  readonly endpointName: string;
  readonly endpoint: EndpointSeen | null;
  readonly pricePerHourMicros: number;
  /** What the endpoint runs on. */
  readonly instance: PinnedInstance;
  /** What may be tried next, while none has been had; and what could not be had. Absent: none. */
  readonly alternatives?: readonly Alternative[];
  readonly left?: readonly LeftInstance[];
  /** As created or last changed; absent before the promotion. */
  readonly scaling?: Scaling;
  /** How full the endpoint is; absent before its first call in this process. */
  readonly load?: EndpointLoadStatus;
  readonly concurrency?: ConcurrencySeen;
  readonly detour?: Detour;
  /** Present while serverless is out and its calls go to the endpoint. */
  readonly through?: Through;
  /** If `about` is absent, the ask is about a step. */
  readonly ask: {
    readonly id: number | null;
    readonly about?: AskAbout;
    readonly step: number;
    readonly at: number;
    /** Only in a change window an approval is taken; absent: always. */
    readonly isBound?: true;
    /** Status of the verdict that it was asked with; absent if there was none. */
    readonly verdict?: VerdictStatus;
    readonly terms?: Terms;
  } | null;
}
