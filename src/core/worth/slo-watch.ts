import type { SloPolicy } from '../policy/back.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';
import { MINUTE_MS } from '../time.ts';

/** How an endpoint served in the last five whole minutes, and since when it has missed its SLO. */
export interface SloFigures {
  /** Calls that it answered or failed. */
  readonly calls: number;
  /** Share of its answers that took longer than the policy's `p95`; null if the policy sets none. */
  readonly slowShare: number | null;
  /** Share of its calls that did not fail. */
  readonly availability: number;
  /** Since when it has missed its SLO without interruption, epoch ms; null if it does not miss it. */
  readonly missedSince: number | null;
}

const WINDOW = 5;
const ANSWERED = 0;
const SLOW = 1;
const FAILED = 2;
/** The p95 is missed if more than this share of the answers is slower. */
const SLOW_SHARE = 0.05;
/** A window with fewer calls than this misses nothing. */
const LEAST_CALLS = 20;

/** Compares one endpoint with its SLO, in windows of five whole minutes, each judged when it ends. */
export class SloWatch {
  readonly #policy: SloPolicy;
  /** By minute: the window, and the current minute. */
  readonly #counts = new SlidingCounts(3, WINDOW + 1);
  #missedSince: number | null = null;

  constructor(policy: SloPolicy, nowMs: number) {
    this.#policy = policy;
    this.#counts.advance(Math.floor(nowMs / MINUTE_MS));
  }

  /** Counts a call that the endpoint answered, and how long it took, clock ms. */
  answered(atMs: number, durationMs: number): void {
    this.#advance(atMs);
    this.#counts.count(ANSWERED);
    if (this.#policy.p95 !== null && durationMs > this.#policy.p95) this.#counts.count(SLOW);
  }

  /** Counts a call that failed on the endpoint. */
  failed(atMs: number): void {
    this.#advance(atMs);
    this.#counts.count(FAILED);
  }

  /** Calls before `nowMs` were missed, so that the time for which the SLO was missed starts again. */
  interrupt(nowMs: number): void {
    this.#advance(nowMs);
    this.#missedSince = null;
  }

  figures(nowMs: number): SloFigures {
    this.#advance(nowMs);
    return { ...this.#window(), missedSince: this.#missedSince };
  }

  #advance(nowMs: number): void {
    const target = Math.floor(nowMs / MINUTE_MS);
    if (target - this.#counts.now > 2 * WINDOW) {
      this.#counts.advance(target);
      this.#missedSince = null;
    }
    while (this.#counts.now < target) {
      this.#counts.advance(this.#counts.now + 1);
      if (!this.#isMissed()) this.#missedSince = null;
      else this.#missedSince ??= this.#counts.now * MINUTE_MS;
    }
  }

  #isMissed(): boolean {
    const { calls, slowShare, availability } = this.#window();
    if (calls < LEAST_CALLS) return false;
    const wanted = this.#policy.availability;
    return (slowShare !== null && slowShare > SLOW_SHARE) || (wanted !== null && availability < wanted);
  }

  #window(): Omit<SloFigures, 'missedSince'> {
    const sum = (column: number) => this.#counts.total(column) - this.#counts.at(column, this.#counts.now);
    const [answered, failed] = [sum(ANSWERED), sum(FAILED)];
    const calls = answered + failed;
    const isTimed = this.#policy.p95 !== null;
    return {
      calls,
      slowShare: isTimed ? (answered === 0 ? 0 : sum(SLOW) / answered) : null,
      availability: calls === 0 ? 1 : answered / calls,
    };
  }
}
