import { isFault } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';
import { SECOND_MS } from '../time.ts';
import type { StableRecent } from './observation.ts';

const SECONDS = 60;
const ATTEMPTS = 0;
const FAULTS = 1;
const CONNECT_FAILURES = 2;

/** Counts the outcomes of attempts at serverless in the last minute of clock time. */
export class RecentOutcomes {
  readonly #counts = new SlidingCounts(3, SECONDS);

  /**
   * Counts one attempt at serverless, unless its client left or cut it off, because that says nothing about serverless.
   */
  add(atMs: number, outcome: Outcome): void {
    if (outcome === 'client_left' || outcome === 'cut') return;
    this.#advance(atMs);
    this.#counts.count(ATTEMPTS);
    // A 429 is no fault here: serverless that refuses some calls can still take others.
    if (isFault(outcome, 'serverless', 'dedicated')) this.#counts.count(FAULTS);
    if (outcome === 'connect_failed') this.#counts.count(CONNECT_FAILURES);
  }

  /** The figures of the minute that ends at `nowMs`. */
  figures(nowMs: number): StableRecent {
    this.#advance(nowMs);
    return {
      attempts: this.#counts.total(ATTEMPTS),
      faults: this.#counts.total(FAULTS),
      connectFailures: this.#counts.total(CONNECT_FAILURES),
    };
  }

  #advance(nowMs: number): void {
    this.#counts.advance(Math.floor(nowMs / SECOND_MS));
  }
}
