import { isDecided } from '../call.ts';
import type { Call, Outcome } from '../call.ts';
import { SlidingHistogram } from '../stats/sliding.ts';

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

/**
 * How serverless answered, over a sliding window. Memory is fixed (130 KB for a route that is called), and a call costs
 * the same however many there are. The window is as long as it is told to be, less up to a sixtieth, never longer.
 */
export class ServedWindow {
  readonly #slotSeconds: number;
  readonly #size: number;
  readonly #counts: Record<'answered' | 'failed', Float64Array>;
  /** Made with the first answer: most models that are called are called by nobody much. */
  #latency: SlidingHistogram | null = null;
  #slot = Number.NaN;

  constructor(seconds: number) {
    this.#slotSeconds = Math.ceil(seconds / MOST_SLOTS);
    this.#size = Math.max(1, Math.floor(seconds / this.#slotSeconds));
    const counts = () => new Float64Array(this.#size);
    this.#counts = { answered: counts(), failed: counts() };
  }

  /** Lets time pass, up to a second since the epoch. */
  advance(second: number): void {
    const target = Math.floor(second / this.#slotSeconds);
    if (Number.isNaN(this.#slot)) this.#slot = target;
    if (target - this.#slot > this.#size) this.#slot = target - this.#size;
    while (this.#slot < target) this.#clear(++this.#slot % this.#size);
  }

  /** Counts a call in the second in which it ended; not where that is not in the window. */
  ended(second: number, { outcome, durationMs }: ServedCall): void {
    const slot = Math.floor(second / this.#slotSeconds);
    if (slot > this.#slot || slot <= this.#slot - this.#size) return;
    const place = slot % this.#size;
    const add = (counts: Float64Array) => (counts[place] = (counts[place] as number) + 1);
    if (outcome === 'ok') {
      add(this.#counts.answered);
      this.#latency ??= new SlidingHistogram(this.#size);
      this.#latency.add(place, durationMs);
    } else if (outcome === 'rate_limited' || isDecided(outcome, 'serverless', 'dedicated')) add(this.#counts.failed);
  }

  figures(): ServedFigures {
    const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0);
    const { answered, failed } = this.#counts;
    const [p50, p95, p99] = (this.#latency?.quantiles([0.5, 0.95, 0.99]) ?? []).map((ms) =>
      ms === null ? null : Math.round(ms),
    );
    return {
      answered: sum(answered),
      failed: sum(failed),
      p50: p50 ?? null,
      p95: p95 ?? null,
      p99: p99 ?? null,
    };
  }

  #clear(place: number): void {
    for (const counts of Object.values(this.#counts)) counts[place] = 0;
    this.#latency?.clear(place);
  }
}
