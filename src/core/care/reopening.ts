import { SECOND_MS } from '../time.ts';

/** The pace at first, calls per second; it doubles every second. */
const FIRST = 10;
/** A pace above this limits nothing. */
const MOST = 10_000;

/**
 * How calls go out again after everything was refused and no limit is known yet. If all that wait went out at once, it
 * would seem that the upstream takes as many, because refusals come later. Times are clock ms.
 */
export class Reopening {
  #fromMs = Number.NEGATIVE_INFINITY;

  begin(nowMs: number): void {
    this.#fromMs = nowMs;
  }

  /** Calls per second; null: no limit. */
  paceAt(nowMs: number): number | null {
    const pace = FIRST * 2 ** ((nowMs - this.#fromMs) / SECOND_MS);
    return pace > MOST ? null : pace;
  }
}
