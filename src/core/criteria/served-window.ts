import { isDecided } from '../outcome.ts';
import type { Call } from '../call.ts';
import type { Outcome } from '../outcome.ts';
import { COARSE, Histogram } from '../stats/histogram.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';

/** How a call for serverless ended for its client. */
export interface ServedCall {
  /** How the call ended, however its first attempt ended. */
  readonly outcome: Outcome;
  /** From its arrival to its end, clock ms, including the time for which it was held. */
  readonly durationMs: number;
}

/** How a call, or its row in the ledger, ended for its client. */
export function servedOf({ finalOutcome, durationUs }: Pick<Call, 'finalOutcome' | 'durationUs'>): ServedCall {
  return { outcome: finalOutcome, durationMs: durationUs / 1_000 };
}

/** How serverless served a route: the calls that ended in the window. */
export interface ServedFigures {
  /** Calls that were answered well. */
  readonly answered: number;
  /**
   * Calls that ended in a fault or a refusal (429). A call that the caller or upshift's shutdown ended is in neither.
   */
  readonly failed: number;
  /** Quantiles of how long the answered calls took, clock ms, right to 1.5 %; null without answered calls. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** A window has at most this many slots. Calls leave the window one slot at a time. */
const MOST_SLOTS = 60;
const ANSWERED = 0;
const FAILED = 1;

/**
 * How serverless answered, over a sliding window. Memory is fixed (130 KB for a route that is called), and the cost of
 * a call does not depend on how many there are. The window is at most as long as asked for, and at most a sixtieth
 * shorter.
 */
export class ServedWindow {
  readonly #slotSeconds: number;
  readonly #size: number;
  readonly #counts: SlidingCounts;
  /** Created at the first answer, because most models that clients name are rarely called. */
  #latency: Histogram | null = null;

  /** `seconds`: the length of the window. */
  constructor(seconds: number) {
    this.#slotSeconds = Math.ceil(seconds / MOST_SLOTS);
    this.#size = Math.max(1, Math.floor(seconds / this.#slotSeconds));
    this.#counts = new SlidingCounts(2, this.#size);
  }

  /** Moves on to a second since the epoch. */
  advance(second: number): void {
    const target = Math.floor(second / this.#slotSeconds);
    if (this.#latency !== null) {
      const first = Math.max(this.#counts.now, target - this.#size) + 1;
      for (let slot = first; slot <= target; slot++) this.#latency.clear(slot % this.#size);
    }
    this.#counts.advance(target);
  }

  /** Counts a call in the second in which it ended; nothing if that second is not in the window. */
  ended(second: number, { outcome, durationMs }: ServedCall): void {
    const slot = Math.floor(second / this.#slotSeconds);
    if (!this.#counts.has(slot)) return;
    if (outcome === 'ok') {
      this.#counts.add(ANSWERED, slot);
      this.#latency ??= new Histogram(COARSE, this.#size);
      this.#latency.add(durationMs, slot % this.#size);
    } else if (outcome === 'rate_limited' || isDecided(outcome, 'serverless', 'dedicated')) {
      this.#counts.add(FAILED, slot);
    }
  }

  /** How serverless served the window that ends now. */
  figures(): ServedFigures {
    const quantile = (share: number) => {
      const ms = this.#latency?.quantile(share) ?? null;
      return ms === null ? null : Math.round(ms);
    };
    return {
      answered: this.#counts.total(ANSWERED),
      failed: this.#counts.total(FAILED),
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
    };
  }
}
