/** This many times the calls of a window at the limit, all without a refusal, show that the limit has risen. */
const SHOWN = 1.01;
/** Once the limit is known to have risen, it doubles in this time. */
const DOUBLING_MS = 5_000;
/** The limit rises to at most this many times the measured one at once. */
const MOST = 2;

/** What was sent without a refusal. */
export interface Shown {
  /** Calls of the last window. */
  readonly inAll: number;
  /** Those of them since the latest refusal. */
  readonly sinceRefusal: number;
  /** How long more calls were wanted than were sent since the limit rose last, clock ms. */
  readonly spanMs: number;
}

/** How a learned limit rises while nothing is refused. Limits are calls per second. */
export class Rise {
  readonly #windowSeconds: number;
  #measured = 0;

  /** `windowSeconds`: the window that the upstream counts over. */
  constructor(windowSeconds: number) {
    this.#windowSeconds = windowSeconds;
  }

  /** The limit that was last measured or stated; a rise starts from it. */
  get measured(): number {
    return this.#measured;
  }

  /** The limit was measured or stated anew. */
  settle(limit: number): void {
    this.#measured = limit;
  }

  /** The next limit. */
  next(limit: number, { inAll, sinceRefusal, spanMs }: Shown): number {
    // Calls of more than one window show nothing: at low demand any number is taken without a refusal.
    const shown = Math.min(sinceRefusal, inAll);
    const enough = SHOWN * this.#windowSeconds * this.#measured;
    if (inAll <= enough) return this.#measured;
    if (shown <= enough) return limit;
    const most = MOST * this.#measured;
    const next = Math.min(most, limit * 2 ** (spanMs / DOUBLING_MS));
    if (next === most && shown > MOST * enough) this.#measured = most;
    return next;
  }
}
