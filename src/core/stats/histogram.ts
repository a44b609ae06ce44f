/** How fine a histogram is: its buckets begin at 1 and grow by the factor `exp(growth)`. */
interface Scale {
  readonly growth: number;
  readonly buckets: number;
}

/** Buckets of 1 %: quantiles are right to half a percent. The largest bucket begins at about 2.3e10. */
export const FINE: Scale = { growth: Math.log(1.01), buckets: 2_400 };
/** Buckets of 3 %: quantiles are right to 1.5 %. The largest bucket begins at about 8.3e6. */
export const COARSE: Scale = { growth: Math.log(1.03), buckets: 540 };

/**
 * Counts positive numbers in buckets, so that any quantile has a fixed cost in time and memory. Values below 1 count as
 * 1. The numbers can be kept apart in slots, each of which can be forgotten; a slot takes four bytes for each bucket.
 */
export class Histogram {
  readonly #growth: number;
  readonly #buckets: number;
  readonly #sum: Uint32Array;
  /** Slot by slot; null if there is only one. */
  readonly #slots: Uint32Array | null;
  #total = 0;

  constructor({ growth, buckets }: Scale, slots = 1) {
    this.#growth = growth;
    this.#buckets = buckets;
    this.#sum = new Uint32Array(buckets);
    this.#slots = slots === 1 ? null : new Uint32Array(slots * buckets);
  }

  /** How many numbers there are. */
  get total(): number {
    return this.#total;
  }

  /** Counts a number. `slot`: from 0. */
  add(value: number, slot = 0): void {
    const bucket = value <= 1 ? 0 : Math.min(this.#buckets - 1, Math.round(Math.log(value) / this.#growth));
    this.#sum[bucket] = (this.#sum[bucket] as number) + 1;
    this.#total++;
    if (this.#slots === null) return;
    const place = slot * this.#buckets + bucket;
    this.#slots[place] = (this.#slots[place] as number) + 1;
  }

  /** Forgets what a slot holds. */
  clear(slot: number): void {
    if (this.#slots === null) {
      this.#sum.fill(0);
      this.#total = 0;
      return;
    }
    const own = this.#slots.subarray(slot * this.#buckets, (slot + 1) * this.#buckets);
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      const count = own[bucket] as number;
      if (count === 0) continue;
      this.#sum[bucket] = (this.#sum[bucket] as number) - count;
      this.#total -= count;
    }
    own.fill(0);
  }

  /**
   * The value of the lowest bucket such that a share `q` (0..1) of the numbers is in it or below; null without numbers.
   */
  quantile(q: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let bucket = 0;
    for (let seen = this.#sum[0] as number; seen < rank;) seen += this.#sum[++bucket] as number;
    return Math.exp(bucket * this.#growth);
  }
}
