import { SlidingCounts } from '../stats/sliding-counts.ts';
import { SECOND_MS } from '../time.ts';

const SECONDS = 60;
const ENDED = 0;
const REFUSED = 1;
/** Of fewer calls no share is known: a single refusal is no sign. */
const ENOUGH = 20;

/** Which share of an upstream's calls was refused in the last minute of clock time. */
export class RecentRefusals {
  readonly #counts = new SlidingCounts(2, SECONDS);

  /** A call ended. */
  ended(nowMs: number, isRefused: boolean): void {
    this.#counts.advance(Math.floor(nowMs / SECOND_MS));
    this.#counts.count(ENDED);
    if (isRefused) this.#counts.count(REFUSED);
  }

  /** The share, 0..1; 0 if too few calls ended. */
  shareAt(nowMs: number): number {
    this.#counts.advance(Math.floor(nowMs / SECOND_MS));
    const ended = this.#counts.total(ENDED);
    return ended < ENOUGH ? 0 : this.#counts.total(REFUSED) / ended;
  }
}
