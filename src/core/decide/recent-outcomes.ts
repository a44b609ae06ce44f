import { isFault } from '../call.ts';
import type { Outcome } from '../call.ts';
import type { StableRecent } from './observation.ts';

const SECONDS = 60;

/** What serverless did in the last minute of clock time, in one-second buckets. */
export class RecentOutcomes {
  readonly #attempts = new Uint32Array(SECONDS);
  readonly #faults = new Uint32Array(SECONDS);
  readonly #connectFailures = new Uint32Array(SECONDS);
  #second = 0;

  /** Counts one attempt at serverless; what the client cut off says nothing and is not counted. */
  add(atMs: number, outcome: Outcome): void {
    if (outcome === 'client_left' || outcome === 'cut') return;
    this.#advance(atMs);
    const slot = this.#second % SECONDS;
    this.#attempts[slot] = (this.#attempts[slot] as number) + 1;
    // A 429 is no fault here: serverless that refuses some calls can still take others.
    if (isFault(outcome, 'serverless', 'dedicated')) this.#faults[slot] = (this.#faults[slot] as number) + 1;
    if (outcome === 'connect_failed') this.#connectFailures[slot] = (this.#connectFailures[slot] as number) + 1;
  }

  /** The minute that ends at `nowMs`. */
  figures(nowMs: number): StableRecent {
    this.#advance(nowMs);
    const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
    return {
      attempts: sum(this.#attempts),
      faults: sum(this.#faults),
      connectFailures: sum(this.#connectFailures),
    };
  }

  #advance(nowMs: number): void {
    const target = Math.floor(nowMs / 1_000);
    if (target - this.#second > SECONDS) this.#second = target - SECONDS;
    while (this.#second < target) {
      this.#second++;
      const slot = this.#second % SECONDS;
      this.#attempts[slot] = this.#faults[slot] = this.#connectFailures[slot] = 0;
    }
  }
}
