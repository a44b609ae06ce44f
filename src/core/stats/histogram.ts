const GROWTH = Math.log(1.01);
const BUCKETS = 2_400;

/**
 * Counts positive numbers in buckets that grow by 1 %, so that any quantile is right to half a percent at a fixed cost
 * in time and memory. Values below 1 count as 1; the largest bucket begins at about 2.3e10.
 */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(value: number): void {
    const bucket = value <= 1 ? 0 : Math.min(BUCKETS - 1, Math.round(Math.log(value) / GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#total++;
  }

  /** The smallest bucket below or in which a share `q` (0..1) of the values lies; null without values. */
  quantile(q: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) return Math.exp(bucket * GROWTH);
    }
    return Math.exp((BUCKETS - 1) * GROWTH);
  }
}
