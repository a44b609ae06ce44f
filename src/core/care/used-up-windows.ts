/** Windows are used up so far apart at least. What refuses everything more often counts no windows, or short ones. */
const APART_MS = 240_000;
/** A window that is used up gives as much at a lower pace; less than this says that something else was in the way. */
const SAME = 0.9;
const AS_MUCH = 0.99;
/** And at a lower pace less of it is lost: between these parts of what was, refusals do not depend on the pace. */
const AS_LONG = { least: 0.5, most: 1.25 };

/**
 * What windows that were used up say of the limit. An upstream that refuses everything now and then, whatever the pace,
 * looks alike: falling to what was taken between would then make less of it each time, without end. Times are clock ms.
 */
export class UsedUp {
  /** From where the limit has fallen, and what the last window gave; null once another gave as much. */
  #fall: { readonly from: number; readonly perSecond: number; readonly lostMs: number } | null = null;
  #atMs = Number.NEGATIVE_INFINITY;
  #lostMs = 0;

  /** Everything was refused for so long. */
  lost(ms: number): void {
    this.#lostMs += ms;
  }

  /** Whether a window may have been used up, for all that is known of the one before. */
  isLikely(nowMs: number): boolean {
    return nowMs - this.#atMs >= APART_MS;
  }

  /**
   * A window that was likely used up gave `perSecond`. Returns the limit that is to be: `lower`, or where falling has only
   * made less of the time between refusals, that from which it fell.
   */
  limit(now: number | null, lower: number, perSecond: number, nowMs: number): number {
    const { from, ...last } = this.#fall ?? { from: now ?? lower, perSecond: 0, lostMs: 0 };
    const lostMs = this.#lostMs;
    const isAsLong = lostMs > AS_LONG.least * last.lostMs && lostMs < AS_LONG.most * last.lostMs;
    const isLess = perSecond < SAME * last.perSecond;
    const isConfirmed = this.#fall !== null && perSecond >= AS_MUCH * last.perSecond;
    const gave = isLess ? perSecond : Math.max(perSecond, last.perSecond);
    const isInVain = isLess && isAsLong;
    this.#fall = isInVain || isConfirmed || lower >= from ? null : { from, perSecond: gave, lostMs };
    this.#atMs = nowMs;
    this.#lostMs = 0;
    return isInVain ? from : lower;
  }
}
