import { SlidingCounts } from '../stats/sliding-counts.ts';
import { SECOND_MS } from '../time.ts';

const TAKEN = 0;
const REFUSED = 1;
/** Counted in a second in which more calls were wanted than were sent. */
const WANTED = 2;

/** How many calls were taken, and their rate over the seconds in question. */
export interface Taken {
  readonly taken: number;
  readonly perSecond: number;
}

/** How many calls an upstream took and how many it refused in each of the last seconds. Times are clock ms. */
export class Seconds {
  readonly #length: number;
  readonly #counts: SlidingCounts;
  #beganAtMs = Number.NaN;

  /** `length`: how many seconds are kept. */
  constructor(length: number) {
    this.#length = length;
    // One more for the current second, which is not over.
    this.#counts = new SlidingCounts(3, length + 1);
  }

  /** Moves on to `nowMs`; true the first time. */
  advance(nowMs: number): boolean {
    const isFirst = Number.isNaN(this.#beganAtMs);
    if (isFirst) this.#beganAtMs = nowMs;
    this.#counts.advance(Math.floor(nowMs / SECOND_MS));
    return isFirst;
  }

  /** Counts a call as taken (1), or removes one that was counted as taken but was not (-1). */
  taken(atMs: number, change: 1 | -1): void {
    const second = Math.floor(atMs / SECOND_MS);
    if (change === 1 || this.#counts.at(TAKEN, second) > 0) this.#counts.add(TAKEN, second, change);
  }

  refused(atMs: number): void {
    this.#counts.add(REFUSED, Math.floor(atMs / SECOND_MS));
  }

  /** Notes that more calls are wanted now than are sent. */
  wanted(): void {
    this.#counts.count(WANTED);
  }

  /** Calls taken in all the seconds that are kept, the current one included. */
  get takenInAll(): number {
    return this.#counts.total(TAKEN);
  }

  /**
   * Calls taken in the latest complete seconds in which the upstream was asked for more than it took or than were sent:
   * as few seconds as together hold `calls` calls, else all that are kept. Other seconds show what was wanted, and not
   * what the upstream takes. `openMs`: a call that was sent more recently than this may still be refused, so its second
   * does not count.
   */
  takenAtTheLimit(calls: number, openMs: number): Taken {
    let [taken, seconds] = [0, 0];
    const { now } = this.#counts;
    for (let second = now - Math.ceil(openMs / SECOND_MS); second >= now - this.#length && taken < calls; second--) {
      if (this.#counts.at(REFUSED, second) === 0 && this.#counts.at(WANTED, second) === 0) continue;
      taken += this.#counts.at(TAKEN, second);
      seconds++;
    }
    return { taken, perSecond: taken / Math.max(1, seconds) };
  }

  /** Calls taken in all complete seconds that are kept. `nowMs`: now, or shortly before. */
  takenInComplete(nowMs: number): Taken {
    const seconds = Math.min(this.#length, Math.max(1, Math.floor((nowMs - this.#beganAtMs) / SECOND_MS)));
    let taken = 0;
    for (let age = 1; age <= seconds; age++) taken += this.#counts.at(TAKEN, this.#counts.now - age);
    return { taken, perSecond: taken / seconds };
  }

  /** The share (0..1) of the calls of the last `seconds` seconds that was refused. */
  shareRefused(seconds: number): number {
    let [taken, refused] = [0, 0];
    const { now } = this.#counts;
    for (let second = now; second > now - seconds; second--) {
      taken += this.#counts.at(TAKEN, second);
      refused += this.#counts.at(REFUSED, second);
    }
    return refused === 0 ? 0 : refused / (taken + refused);
  }
}
