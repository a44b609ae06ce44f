import { setTimeout as pause } from 'node:timers/promises';

/** Real milliseconds: the longest wait that a `Retry-After` gets, and the first wait without one. */
const [LONGEST_MS, FIRST_MS] = [60_000, 1_000];
/** After so many answers in a row one more call may be under way, up to the lane's most. */
const CLIMB = 8;

/** Calls to one side: so many at once, fewer while the side limits its rate. */
export class Lane {
  readonly #most: number;
  #limit: number;
  #inFlight = 0;
  #answered = 0;
  /** Until when nothing is sent, by `performance.now()`. */
  #closedUntil = 0;
  readonly #waiting: (() => void)[] = [];

  /** `most`: calls at once. */
  constructor(most: number) {
    this.#most = most;
    this.#limit = most;
  }

  /** Does some work once there is room. Rejects if `stop` is aborted before it begins. */
  async run<T>(work: () => Promise<T>, stop: AbortSignal): Promise<T> {
    while (this.#inFlight >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inFlight++;
    try {
      for (let left = this.#left(); left > 0; left = this.#left()) await pause(left, undefined, { signal: stop });
      stop.throwIfAborted();
      return await work();
    } finally {
      this.#inFlight--;
      this.#waiting.shift()?.();
    }
  }

  /** The side refused a call for its rate, for the `tries`-th time, and asks for a wait, ms; null: it does not say. */
  slowDown(retryAfterMs: number | null, tries: number): void {
    const wait = Math.min(LONGEST_MS, retryAfterMs ?? FIRST_MS * 2 ** (tries - 1));
    this.#closedUntil = Math.max(this.#closedUntil, performance.now() + wait);
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#answered = 0;
  }

  /** The side answered a call. */
  answered(): void {
    if (++this.#answered < CLIMB || this.#limit >= this.#most) return;
    this.#answered = 0;
    this.#limit++;
    this.#waiting.shift()?.();
  }

  #left(): number {
    return this.#closedUntil - performance.now();
  }
}
