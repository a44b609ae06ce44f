import { SECOND_MS } from '../time.ts';

/** A token bucket: a call takes a token, and the pace refills them. Times are clock ms. */
export class Tokens {
  #left = 1;
  #atMs = Number.NaN;

  /** Refills at `perSecond` since the last time. `spanMs`: as many tokens are kept at most as the pace gives in it. */
  refill(nowMs: number, perSecond: number, spanMs: number): void {
    const most = Math.max(1, (perSecond * spanMs) / SECOND_MS);
    this.#left = Math.min(most, this.#left + (perSecond * (nowMs - this.#atMs)) / SECOND_MS);
    this.#atMs = nowMs;
  }

  /** When the next token is there at this pace, as of the last refill: that time or earlier if there is one. */
  nextAt(perSecond: number): number {
    return this.#left >= 1 ? this.#atMs : this.#atMs + ((1 - this.#left) / perSecond) * SECOND_MS;
  }

  take(): void {
    this.#left--;
  }

  /** Keeps one token at most. */
  drop(): void {
    this.#left = Math.min(this.#left, 1);
  }

  /** Begins to refill now, with one token if `isFull`. */
  begin(nowMs: number, isFull = false): void {
    if (isFull) this.#left = 1;
    this.#atMs = nowMs;
  }
}
