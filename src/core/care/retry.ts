import type { Outcome } from '../call.ts';
import type { RetryPolicy } from '../policy/care.ts';

/** So many retries in a window are always allowed: a share of few calls is none. */
const ALWAYS = 10;
const SLOTS = 10;

/** Whether trying again may help, and does no harm: nothing of it was done, or nothing of it can be known. */
export function isRepeatable(outcome: Outcome, status: number): boolean {
  if (outcome === 'rate_limited' || outcome === 'unavailable' || outcome === 'connect_failed') return true;
  return outcome === 'server_error' && (status === 502 || status === 504);
}

/**
 * The pause before the n-th retry (1..), clock ms: exponential with full jitter (Brooker, "Exponential Backoff And Jitter",
 * AWS 2015), `draw` in [0, 1); never shorter than what the upstream asked for.
 */
export function backoffMs(n: number, { base, cap }: RetryPolicy, draw: number, askedMs: number | null): number {
  const jittered = draw * Math.min(cap, base * 2 ** (n - 1));
  return askedMs === null ? jittered : askedMs + Math.min(base, jittered);
}

/** Counts calls and retries of a sliding window: retries are at most a share of the calls, so that trouble is not amplified. */
export class RetryAllowance {
  readonly #slotMs: number;
  readonly #calls = new Uint32Array(SLOTS);
  readonly #retries = new Uint32Array(SLOTS);
  #slot = 0;

  /** `windowMs`: clock ms. */
  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS;
  }

  call(nowMs: number): void {
    this.#count(this.#calls, nowMs);
  }

  /** Takes one retry from the budget; false where none is left. */
  take(nowMs: number, share: number): boolean {
    this.#advance(nowMs);
    if (total(this.#retries) >= Math.max(ALWAYS, share * total(this.#calls))) return false;
    this.#count(this.#retries, nowMs);
    return true;
  }

  /** Retries per call of the window. */
  shareAt(nowMs: number): number {
    this.#advance(nowMs);
    const calls = total(this.#calls);
    return calls === 0 ? 0 : total(this.#retries) / calls;
  }

  #count(counts: Uint32Array, nowMs: number): void {
    this.#advance(nowMs);
    const place = this.#slot % SLOTS;
    counts[place] = (counts[place] as number) + 1;
  }

  #advance(nowMs: number): void {
    const target = Math.floor(nowMs / this.#slotMs);
    if (target - this.#slot > SLOTS) this.#slot = target - SLOTS;
    while (this.#slot < target) {
      const place = ++this.#slot % SLOTS;
      this.#calls[place] = this.#retries[place] = 0;
    }
  }
}

function total(counts: Uint32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
