const SECOND_MS = 1_000;

/** What was taken and what was refused, second by second, over as many of the last seconds as are kept. */
export class Seconds {
  readonly #kept: number;
  readonly #taken: Uint32Array;
  readonly #refused: Uint32Array;
  #now = Number.NaN;

  constructor(kept: number) {
    this.#kept = kept;
    this.#taken = new Uint32Array(kept);
    this.#refused = new Uint32Array(kept);
  }

  /** Lets clock time pass; forgets what is too long ago. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / SECOND_MS);
    if (Number.isNaN(this.#now)) this.#now = target;
    if (target - this.#now > this.#kept) this.#now = target - this.#kept;
    while (this.#now < target) {
      const slot = this.#slot(++this.#now);
      this.#taken[slot] = this.#refused[slot] = 0;
    }
  }

  taken(atMs: number, change: 1 | -1): void {
    this.#count(this.#taken, atMs, change);
  }

  refused(atMs: number): void {
    this.#count(this.#refused, atMs, 1);
  }

  /** What was taken over as many of the last seconds, `most` at most, as hold so many calls. */
  takenIn(calls: number, most: number): { readonly taken: number; readonly perSecond: number } {
    let [taken, seconds] = [0, 0];
    // The second under way is not over.
    for (; seconds < Math.min(most, this.#kept) && taken < calls; seconds++) {
      taken += this.#taken[this.#slot(this.#now - 1 - seconds)] as number;
    }
    return { taken, perSecond: taken / Math.max(1, seconds) };
  }

  /** Share of refusals over the last seconds. */
  shareRefused(seconds: number): number {
    let [taken, refused] = [0, 0];
    for (let second = this.#now; second > this.#now - seconds; second--) {
      taken += this.#taken[this.#slot(second)] as number;
      refused += this.#refused[this.#slot(second)] as number;
    }
    return refused === 0 ? 0 : refused / (taken + refused);
  }

  #count(counts: Uint32Array, atMs: number, change: 1 | -1): void {
    const second = Math.floor(atMs / SECOND_MS);
    if (second <= this.#now - this.#kept) return;
    const slot = this.#slot(second);
    counts[slot] = Math.max(0, (counts[slot] as number) + change);
  }

  #slot(second: number): number {
    return ((second % this.#kept) + this.#kept) % this.#kept;
  }
}
