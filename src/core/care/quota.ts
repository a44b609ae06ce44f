import { SECOND_MS } from '../time.ts';

/** Calls left are sent as if they had to last this long, or until the reset if that is sooner. */
const SPEND_MS = 30_000;

/** The quota that an upstream stated last, as few do. Times are clock ms. */
export class Quota {
  #perSecond = 0;
  /** When it is reset. */
  untilMs = Number.NEGATIVE_INFINITY;

  /** `left` calls may be made until the reset after `resetMs`. */
  state(left: number, resetMs: number, nowMs: number): void {
    this.untilMs = resetMs <= 0 ? Number.NEGATIVE_INFINITY : nowMs + resetMs;
    this.#perSecond = (left / Math.min(resetMs, SPEND_MS)) * SECOND_MS;
  }

  /** Calls per second that keep to it; null if none holds. */
  paceAt(nowMs: number): number | null {
    return nowMs < this.untilMs ? this.#perSecond : null;
  }
}
