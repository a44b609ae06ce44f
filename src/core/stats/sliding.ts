const GROWTH = Math.log(1.03);
const BUCKETS = 540;

/**
 * A histogram whose oldest part can be forgotten: counts of positive numbers in buckets that grow by 3 %, kept apart for
 * each of a fixed number of slots. Any quantile of all slots together is right to 1.5 %. A number costs the same however
 * many there are; a slot takes 2 KB. Values below 1 count as 1, the largest bucket begins at about 8.3e6.
 */
export class SlidingHistogram {
  readonly #slots: Uint32Array;
  readonly #sum = new Uint32Array(BUCKETS);
  #total = 0;

  constructor(slots: number) {
    this.#slots = new Uint32Array(slots * BUCKETS);
  }

  get total(): number {
    return this.#total;
  }

  add(slot: number, value: number): void {
    const bucket = value <= 1 ? 0 : Math.min(BUCKETS - 1, Math.round(Math.log(value) / GROWTH));
    const place = slot * BUCKETS + bucket;
    this.#slots[place] = (this.#slots[place] as number) + 1;
    this.#sum[bucket] = (this.#sum[bucket] as number) + 1;
    this.#total++;
  }

  /** Forgets what a slot holds. */
  clear(slot: number): void {
    const own = this.#slots.subarray(slot * BUCKETS, (slot + 1) * BUCKETS);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = own[bucket] as number;
      if (count === 0) continue;
      this.#sum[bucket] = (this.#sum[bucket] as number) - count;
      this.#total -= count;
    }
    own.fill(0);
  }

  /** For each share (0..1, rising) the smallest bucket below or in which it lies; null without values. */
  quantiles(shares: readonly number[]): (number | null)[] {
    if (this.#total === 0) return shares.map(() => null);
    let [bucket, seen] = [0, this.#sum[0] as number];
    return shares.map((share) => {
      const rank = Math.max(1, Math.ceil(share * this.#total));
      while (seen < rank) seen += this.#sum[++bucket] as number;
      return Math.exp(bucket * GROWTH);
    });
  }
}
