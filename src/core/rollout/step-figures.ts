import { isDecided, isFault } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { upstreamOf } from '../route.ts';
import type { Role, Toward, UpstreamKind } from '../route.ts';
import { FINE, Histogram } from '../stats/histogram.ts';

/** The figures of one role in one step. Durations are in clock ms. */
export interface RoleFigures {
  /** Eligible calls assigned to the role, finished or not. */
  readonly assigned: number;
  /** Of these, the calls that are compared: answered, or failed because of the upstream. */
  readonly decided: number;
  readonly faults: number;
  /**
   * Answers with 429. A 429 of the endpoint is also a fault, unless the endpoint is `saturated`. A 429 of serverless is a fault only in a way back, because
   * in a rollout toward the endpoint it is the problem that the rollout solves.
   */
  readonly refused: number;
  /** Calls for which the endpoint had no room. They are not faults. */
  readonly saturated: number;
  /** Answers that blame the client (other 4xx). They are not faults, but both roles should have equally many. */
  readonly rejected: number;
  /** Calls whose client left before the first byte. They are not faults, but both roles should have equally many. */
  readonly left: number;
  /** Calls that the other upstream finally served. */
  readonly servedElsewhere: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly ttftP50: number | null;
  readonly ttftP95: number | null;
}

/** Both roles of one step. */
export interface StepFigures {
  readonly step: number;
  readonly stable: RoleFigures;
  readonly canary: RoleFigures;
}

/** The figures of a step by kind of upstream instead of by role. */
export function sides({ stable, canary }: StepFigures, toward: Toward): Record<UpstreamKind, RoleFigures> {
  return toward === 'dedicated' ? { serverless: stable, dedicated: canary } : { serverless: canary, dedicated: stable };
}

export const NO_FIGURES: RoleFigures = {
  assigned: 0,
  decided: 0,
  faults: 0,
  refused: 0,
  saturated: 0,
  rejected: 0,
  left: 0,
  servedElsewhere: 0,
  p50: null,
  p95: null,
  ttftP50: null,
  ttftP95: null,
};

/** The part of a finished call from which its role's figures are computed. */
export interface TalliedCall {
  /** How the assigned attempt ended. */
  readonly outcome: Outcome;
  readonly servedBy: UpstreamKind | null;
  readonly durationUs: number;
  readonly firstByteUs: number | null;
  readonly firstTokenUs: number | null;
}

/**
 * Counts the figures of one role in one step, from live calls, or from the ledger after a restart with the same result.
 */
export class RoleTally {
  readonly #toward: Toward;
  readonly #upstream: UpstreamKind;
  readonly #latency = new Histogram(FINE);
  readonly #ttft = new Histogram(FINE);
  #assigned = 0;
  #decided = 0;
  #faults = 0;
  #refused = 0;
  #saturated = 0;
  #rejected = 0;
  #left = 0;
  #servedElsewhere = 0;

  constructor(role: Role, toward: Toward) {
    this.#toward = toward;
    this.#upstream = upstreamOf(role, toward);
  }

  arrived(): void {
    this.#assigned++;
  }

  /**
   * Counts a call whose assigned attempt did not succeed; a fall-back may still be under way. If it is called for a
   * call, `ended` must get `isCounted` true for that call.
   */
  faulted(outcome: Outcome): void {
    if (outcome === 'rate_limited') this.#refused++;
    if (outcome === 'saturated') this.#saturated++;
    if (outcome === 'client_error' || outcome === 'no_credits') this.#rejected++;
    if (!isFault(outcome, this.#upstream, this.#toward)) return;
    this.#decided++;
    this.#faults++;
  }

  /** Counts a call that ended. `isCounted`: `faulted` has already counted its outcome. */
  ended(call: TalliedCall, isCounted: boolean): void {
    if (call.servedBy !== null && call.servedBy !== this.#upstream) this.#servedElsewhere++;
    if (call.outcome === 'client_left' && call.firstByteUs === null) this.#left++;
    if (isCounted) return;
    if (call.outcome !== 'ok') return this.faulted(call.outcome);
    if (!isDecided(call.outcome, this.#upstream, this.#toward)) return;
    this.#decided++;
    this.#latency.add(call.durationUs);
    if (call.firstTokenUs !== null) this.#ttft.add(call.firstTokenUs);
  }

  /**
   * The present figures. `overdue`: the number of calls in flight for longer than the first-byte limit; they are
   * faults.
   */
  figures(overdue = 0): RoleFigures {
    const ms = (us: number | null) => (us === null ? null : Math.round(us / 10) / 100);
    return {
      assigned: this.#assigned,
      decided: this.#decided + overdue,
      faults: this.#faults + overdue,
      refused: this.#refused,
      saturated: this.#saturated,
      rejected: this.#rejected,
      left: this.#left,
      servedElsewhere: this.#servedElsewhere,
      p50: ms(this.#latency.quantile(0.5)),
      p95: ms(this.#latency.quantile(0.95)),
      ttftP50: ms(this.#ttft.quantile(0.5)),
      ttftP95: ms(this.#ttft.quantile(0.95)),
    };
  }
}
