import type { Breaker } from './breaker.ts';
import type { LearnedInFlight } from './in-flight.ts';
import type { ProviderCounts } from './providers.ts';
import type { LearnedRate } from './rate-limit.ts';

/** Which calls share a limit: those of one model, by one provider ('' where the router chooses). */
export interface LaneKey {
  readonly model: string;
  readonly provider: string;
}

/** What of a lane outlives the process. */
export interface LearnedLane {
  readonly rate: LearnedRate;
  readonly inFlight: LearnedInFlight;
  readonly breaker: Breaker;
}

/** What is shown of a lane. */
export interface LaneStatus {
  /** Calls per five minutes that the upstream is thought to take; null where it has refused none. */
  readonly limit: number | null;
  readonly isBlocked: boolean;
  readonly inFlight: number;
  readonly inFlightLimit: number | null;
  readonly waiting: number;
  readonly waitingAgents: number;
  readonly breaker: Breaker;
  readonly retryShare: number;
  /** When the account was last said to have no credits (402), clock ms; null where it never was. */
  readonly noCreditsAt: number | null;
  /** Since the gateway was made. */
  readonly counts: Readonly<LaneCounts>;
  /** Who took its attempts. */
  readonly providers: readonly ProviderCounts[];
}

export interface LaneCounts {
  sent: number;
  refusedByUpstream: number;
  refusedHere: number;
  held: number;
  /** Answers of 402: never tried again. */
  noCredits: number;
}
