/**
 * Windows are used up at least this far apart. An upstream that refuses everything more often counts no windows or
 * short ones.
 */
const APART_MS = 240_000;
/**
 * A used-up window gives as many calls at a lower pace. If it gives less than this part, the cause was something else.
 */
const SAME = 0.9;
/** From this part on, a window gave as many calls as the one before. */
const AS_MUCH = 0.99;
/**
 * At a lower pace less time of a window is lost to refusals. If the lost time is between these parts of the time lost
 * before, the refusals do not depend on the pace.
 */
const AS_LONG = { least: 0.5, most: 1.25 };

/**
 * What used-up windows show about the limit. An upstream that sometimes refuses everything at any pace looks the same
 * as one whose window is used up. If the limit fell to the calls taken each time, it would fall without end; this class
 * stops that. Times are clock ms.
 */
export class UsedUp {
  /**
   * The limit before it fell, and the rate and the lost time of the last window; null once another window gave as much.
   */
  #fall: { readonly from: number; readonly perSecond: number; readonly lostMs: number } | null = null;
  #atMs = Number.NEGATIVE_INFINITY;
  #lostMs = 0;

  /** Everything was refused for `ms`. */
  lost(ms: number): void {
    this.#lostMs += ms;
  }

  /** Whether enough time has passed since the last used-up window for another to be used up. */
  isLikely(nowMs: number): boolean {
    return nowMs - this.#atMs >= APART_MS;
  }

  /**
   * A window that was likely used up gave `perSecond` calls per second. Returns the new limit: `lower`, or the limit
   * before the last fall if that fall did not reduce the refusals. `now`: the present limit, null if none is known.
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
