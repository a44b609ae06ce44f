import type { BreakerState } from './breaker.ts';
import type { LearnedInFlight } from './in-flight.ts';
import type { ProviderCounts } from './providers.ts';
import type { LearnedRate } from './rate-limit.ts';

/** Which calls share a limit: those of one model, by one provider ('' if the router chooses). */
export interface LaneKey {
  readonly model: string;
  readonly provider: string;
}

/** The part of a lane that is kept across restarts. */
export interface LearnedLane {
  readonly rate: LearnedRate;
  readonly inFlight: LearnedInFlight;
  readonly breaker: BreakerState;
}

/** The state of a lane, for display. */
export interface LaneStatus {
  /** Calls per five minutes that the upstream takes, as far as is known; null if it has refused none. */
  readonly limit: number | null;
  readonly isBlocked: boolean;
  /** Whether the upstream is out, or has just come back so that calls still wait for that reason. */
  readonly isOut: boolean;
  /** Faults of the upstream since its last answer; 0 while it is out. */
  readonly faultsInRow: number;
  readonly inFlight: number;
  readonly inFlightLimit: number | null;
  readonly waiting: number;
  readonly waitingAgents: number;
  readonly breaker: BreakerState;
  readonly retryShare: number;
  /** When serverless last answered 402 (the account has no credits), clock ms; null if it never did. */
  readonly noCreditsAt: number | null;
  /** Since the gateway started. */
  readonly counts: Readonly<LaneCounts>;
  /** The providers that took its attempts. */
  readonly providers: readonly ProviderCounts[];
}

export interface LaneCounts {
  sent: number;
  refusedByUpstream: number;
  refusedHere: number;
  held: number;
  /** Answers with 402, which are never retried. */
  noCredits: number;
}
