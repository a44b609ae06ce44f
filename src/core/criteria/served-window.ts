import { isDecided } from '../call.ts';
import type { Call, Outcome } from '../call.ts';
import { COARSE, Histogram } from '../stats/histogram.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';

/** What a call for serverless came to for its client. */
export interface ServedCall {
  /** How the call ended, whatever became of its first attempt. */
  readonly outcome: Outcome;
  /** From its arrival to its end, clock ms: what it was held for is part of it. */
  readonly durationMs: number;
}

/** What a call, or its row in the ledger, says of that. */
export function servedOf({ finalOutcome, durationUs }: Pick<Call, 'finalOutcome' | 'durationUs'>): ServedCall {
  return { outcome: finalOutcome, durationMs: durationUs / 1_000 };
}

/** How serverless served a route in the window: calls that ended in it. */
export interface ServedFigures {
  /** Calls that were answered well. */
  readonly answered: number;
  /** Calls that ended in a fault or a refusal (429). What the caller or our own shutdown ended counts as neither. */
  readonly failed: number;
  /** Quantiles of how long the answered calls took, clock ms, right to 1.5 %; null where there are none. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** A window is kept in at most so many slots: what leaves it leaves a slot at a time. */
const MOST_SLOTS = 60;
const ANSWERED = 0;
const FAILED = 1;

/**
 * How serverless answered, over a sliding window. Memory is fixed (130 KB for a route that is called), and a call costs
 * the same however many there are. The window is as long as it is told to be, less up to a sixtieth, never longer.
 */
export class ServedWindow {
  readonly #slotSeconds: number;
  readonly #size: number;
  readonly #counts: SlidingCounts;
  /** Made with the first answer, because most models that clients name are hardly ever called. */
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
