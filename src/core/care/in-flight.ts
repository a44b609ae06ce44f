/** After an overload the limit is this part of the calls that were in flight, and never less than LEAST. */
const FALL = 0.7;
const LEAST = 4;
/** At least this long passes between two falls, because calls that are refused together belong to one overload. */
const QUIET_MS = 2_000;
/** The limit falls only if at least this share of the latest calls was refused, because every upstream refuses some. */
const OFTEN = 0.1;
const LATEST = 50;

/** The part of an in-flight limit that is kept across restarts. */
export interface LearnedInFlight {
  /** Calls in flight that the upstream can take; null: it has never been overloaded. */
  readonly most: number | null;
}

/**
 * Learns how many calls at once an upstream can take. It learns from overloads: many 503s while other calls are
 * answered. Each overload lowers the limit by 30 %. While calls wait, the limit rises by one each time as many calls as
 * the limit were answered. No call is held before the first overload. Times are clock ms.
 */
export class InFlightLimit {
  #most: number | null;
  /** Share of the latest calls that were refused with 503. */
  #share = 0;
  #fellAtMs = Number.NEGATIVE_INFINITY;
  inFlight = 0;

  constructor(learned: LearnedInFlight = { most: null }) {
    this.#most = learned.most;
  }

  get learned(): LearnedInFlight {
    return { most: this.#most === null ? null : Math.floor(this.#most) };
  }

  get hasRoom(): boolean {
    return this.#most === null || this.inFlight < Math.floor(this.#most);
  }

  /** A call was answered, while `isWanted` says whether others are waiting. */
  answered(isWanted: boolean): void {
    this.#share -= this.#share / LATEST;
    if (this.#most !== null && isWanted) this.#most += 1 / this.#most;
  }

  /** The upstream refused a call because it had too many. `others`: the other calls in flight. */
  overloaded(others: number, nowMs: number): void {
    this.#share += (1 - this.#share) / LATEST;
    if (this.#share < OFTEN || nowMs - this.#fellAtMs < QUIET_MS) return;
    this.#fellAtMs = nowMs;
    const now = Math.min(others + 1, this.#most ?? Number.POSITIVE_INFINITY);
    this.#most = Math.max(LEAST, FALL * now);
  }
}
