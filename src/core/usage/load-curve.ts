/** A past call, as the load needs it. Times in epoch ms. */
export interface LoadCall {
  readonly arrivedAtMs: number;
  readonly endedAtMs: number;
  /** Serverless refused it, so that it is not known how long its answer would have taken. */
  readonly isRefused: boolean;
  /** It repeats a refused call, which counts once. */
  readonly isRepeat: boolean;
}

/**
 * The load of a span of time: its calls in the order of their arrival, and how long each takes. A refused call takes as long
 * as the others do on average.
 */
export class LoadCurve {
  readonly spanMs: number;
  readonly #arrivals: Float64Array;
  readonly #tookMs: Float64Array;

  /** `calls` may be in any order. */
  constructor(calls: Iterable<LoadCall>, spanMs: number) {
    this.spanMs = spanMs;
    const counted = [...calls].filter(({ isRepeat }) => !isRepeat).sort((a, b) => a.arrivedAtMs - b.arrivedAtMs);
    this.#arrivals = Float64Array.from(counted, ({ arrivedAtMs }) => arrivedAtMs);
    this.#tookMs = Float64Array.from(counted, ({ arrivedAtMs, endedAtMs }) => Math.max(0, endedAtMs - arrivedAtMs));
    const answered = this.#tookMs.filter((_, at) => counted[at]?.isRefused === false);
    const mean = answered.length === 0 ? 0 : answered.reduce((sum, ms) => sum + ms, 0) / answered.length;
    for (const [at, { isRefused }] of counted.entries()) if (isRefused) this.#tookMs[at] = mean;
  }

  get calls(): number {
    return this.#arrivals.length;
  }

  /**
   * How many of the calls find an endpoint full that takes `places` calls at once. Such a call goes elsewhere and never
   * takes a place. The calls are played one after the other, because a curve of calls at once would count too few: a place
   * that becomes free does not call back those that have gone elsewhere.
   */
  overflow(places: number): number {
    const room = Math.floor(places);
    if (room <= 0) return this.calls;
    const ends = new EndTimes(Math.min(room, this.calls));
    let overflowing = 0;
    for (let at = 0; at < this.calls; at++) {
      const arrivedAt = this.#arrivals[at] as number;
      ends.dropUntil(arrivedAt);
      if (ends.size >= room) overflowing++;
      else ends.add(arrivedAt + (this.#tookMs[at] as number));
    }
    return overflowing;
  }
}

/** When the calls in flight end: a binary heap with the earliest end first. */
class EndTimes {
  readonly #heap: Float64Array;
  size = 0;

  constructor(most: number) {
    this.#heap = new Float64Array(most);
  }

  add(end: number): void {
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#heap[parent] as number) <= end) break;
      this.#heap[at] = this.#heap[parent] as number;
      at = parent;
    }
    this.#heap[at] = end;
  }

  dropUntil(now: number): void {
    while (this.size > 0 && (this.#heap[0] as number) <= now) this.#drop();
  }

  #drop(): void {
    const last = this.#heap[--this.size] as number;
    let at = 0;
    for (let child = 1; child < this.size; child = 2 * at + 1) {
      if (child + 1 < this.size && (this.#heap[child + 1] as number) < (this.#heap[child] as number)) child++;
      if ((this.#heap[child] as number) >= last) break;
      this.#heap[at] = this.#heap[child] as number;
      at = child;
    }
    this.#heap[at] = last;
  }
}
