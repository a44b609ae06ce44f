import { SECOND_MS } from '../time.ts';

/** What was taken and what was refused in each of the last seconds. Times are clock ms. */
export class Seconds {
  readonly #length: number;
  readonly #taken: Uint32Array;
  readonly #refused: Uint32Array;
  #now = Number.NaN;
  #beganAtMs = Number.NaN;

  /** `length`: so many seconds are kept. */
  constructor(length: number) {
    this.#length = length;
    this.#taken = new Uint32Array(length);
    this.#refused = new Uint32Array(length);
  }

  /** Moves on; true where this is the first time. */
  advance(nowMs: number): boolean {
    const target = Math.floor(nowMs / SECOND_MS);
    const isFirst = Number.isNaN(this.#beganAtMs);
    if (isFirst) [this.#beganAtMs, this.#now] = [nowMs, target];
    if (target - this.#now > this.#length) this.#now = target - this.#length;
    while (this.#now < target) {
      const slot = ++this.#now % this.#length;
      this.#taken[slot] = this.#refused[slot] = 0;
    }
    return isFirst;
  }

  taken(atMs: number, change: 1 | -1): void {
    this.#count(this.#taken, atMs, change);
  }

  refused(atMs: number): void {
    this.#count(this.#refused, atMs, 1);
  }

  /** What was taken over as many of the last seconds as hold so many calls. */
  takenIn(nowMs: number, calls: number): { readonly taken: number; readonly perSecond: number } {
    let [taken, seconds] = [0, 0];
    const most = Math.min(this.#length, Math.max(1, Math.floor((nowMs - this.#beganAtMs) / SECOND_MS)));
    // The second under way is not over.
    for (; seconds < most && taken < calls; seconds++) taken += this.#at(this.#taken, this.#now - 1 - seconds);
    return { taken, perSecond: taken / Math.max(1, seconds) };
  }

  /** The share that was refused of the calls of so many seconds. */
  shareRefused(seconds: number): number {
    let [taken, refused] = [0, 0];
    for (let second = this.#now; second > this.#now - seconds; second--) {
      taken += this.#at(this.#taken, second);
      refused += this.#at(this.#refused, second);
    }
    return refused === 0 ? 0 : refused / (taken + refused);
  }

  #at(counts: Uint32Array, second: number): number {
    return counts[((second % this.#length) + this.#length) % this.#length] as number;
  }

  #count(counts: Uint32Array, atMs: number, change: 1 | -1): void {
    const second = Math.floor(atMs / SECOND_MS);
    if (second <= this.#now - this.#length) return;
    const slot = second % this.#length;
    counts[slot] = Math.max(0, (counts[slot] as number) + change);
  }
}
