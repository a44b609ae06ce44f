import type { RetryPolicy } from '../policy/care.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';

/** This many retries in a window are always allowed, because a share of a few calls is less than one. */
const ALWAYS = 10;
const SLOTS = 10;

/**
 * The pause before the n-th retry (1..), clock ms: exponential with full jitter (Brooker, "Exponential Backoff And
 * Jitter", AWS 2015). `draw` is in [0, 1). The pause is never shorter than `askedMs`, the wait that the upstream asked
 * for.
 */
export function backoffMs(n: number, { base, cap }: RetryPolicy, draw: number, askedMs: number | null): number {
  const jittered = draw * Math.min(cap, base * 2 ** (n - 1));
  return askedMs === null ? jittered : askedMs + Math.min(base, jittered);
}

const CALLS = 0;
const RETRIES = 1;

/** Limits the retries of a sliding window to a share of its calls, so that retries do not add to an overload. */
export class RetryAllowance {
  readonly #slotMs: number;
  readonly #counts = new SlidingCounts(2, SLOTS);

  /** `windowMs`: clock ms. */
  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS;
  }

  /** Counts a call. */
  call(nowMs: number): void {
    this.#advance(nowMs);
    this.#counts.count(CALLS);
  }

  /** Takes one retry from the allowance; false if none is left. `share`: of the calls of the window, 0..1. */
  take(nowMs: number, share: number): boolean {
    this.#advance(nowMs);
    if (this.#counts.total(RETRIES) >= Math.max(ALWAYS, share * this.#counts.total(CALLS))) return false;
    this.#counts.count(RETRIES);
    return true;
  }

  /** Retries per call of the window. */
  shareAt(nowMs: number): number {
    this.#advance(nowMs);
    const calls = this.#counts.total(CALLS);
    return calls === 0 ? 0 : this.#counts.total(RETRIES) / calls;
  }

  #advance(nowMs: number): void {
    this.#counts.advance(Math.floor(nowMs / this.#slotMs));
  }
}
