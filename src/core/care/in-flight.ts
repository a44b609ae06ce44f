/** What an overload leaves of the calls that were in flight. */
const FALL = 0.7;
const LEAST = 4;
/** An overload says something once in so long: the calls it meets are all of one crowd. */
const QUIET_MS = 2_000;
/** Every upstream has a bad moment: only where more than this share of the latest calls is sent away are there too many. */
const OFTEN = 0.1;
const LATEST = 50;

/** What is kept of a limit of calls in flight across restarts. */
export interface LearnedInFlight {
  /** Calls in flight that the upstream bears; null: it has never been overloaded. */
  readonly most: number | null;
}

/**
 * Learns how many calls at once an upstream bears, from its overloads (many 503s while others are answered): it falls by
 * a third with each, and rises by one with every round of answers that the limit held back. Nothing is held back before the
 * first overload. Times are clock ms.
 */
export class InFlightLimit {
  #most: number | null;
  /** Share of the latest calls that were sent away. */
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

  /** A call was sent away because there were too many. `others`: in flight beside it. */
  overloaded(others: number, nowMs: number): void {
    this.#share += (1 - this.#share) / LATEST;
    if (this.#share < OFTEN || nowMs - this.#fellAtMs < QUIET_MS) return;
    this.#fellAtMs = nowMs;
    const now = Math.min(others + 1, this.#most ?? Number.POSITIVE_INFINITY);
    this.#most = Math.max(LEAST, FALL * now);
  }
}
