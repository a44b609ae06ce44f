import { isFault } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';
import { SECOND_MS } from '../time.ts';
import type { StableRecent } from './observation.ts';

const SECONDS = 60;
const ATTEMPTS = 0;
const FAULTS = 1;
const CONNECT_FAILURES = 2;
/** So many callers are remembered. Of more, those that called last. */
const MOST_CALLERS = 1_000;

/** The newest call of an agent. */
interface Caller {
  readonly second: number;
  readonly isDenied: boolean;
}

/** Counts the outcomes of attempts at serverless in the last minute of clock time. */
export class RecentOutcomes {
  readonly #counts = new SlidingCounts(3, SECONDS);
  /**
   * The agents that called, the latest last. They stand for the credentials of calls, which only the gateway knows and
   * does not tell.
   */
  readonly #callers = new Map<string, Caller>();

  /**
   * Counts one attempt at serverless, unless its client left or cut it off, because that says nothing about serverless.
   */
  add(atMs: number, outcome: Outcome, agent: string): void {
    if (outcome === 'client_left' || outcome === 'cut') return;
    this.advance(atMs);
    this.#counts.count(ATTEMPTS);
    // A 429 is no fault here: serverless that refuses some calls can still take others.
    if (isFault(outcome, 'serverless', 'dedicated')) this.#counts.count(FAULTS);
    if (outcome === 'connect_failed') this.#counts.count(CONNECT_FAILURES);
    const isDenied = outcome === 'no_credits' || outcome === 'unauthorized';
    const second = Math.floor(atMs / SECOND_MS);
    const known = this.#callers.get(agent);
    if (known?.second !== second || known.isDenied !== isDenied) this.#noteCaller(agent, { second, isDenied });
  }

  #noteCaller(agent: string, caller: Caller): void {
    this.#callers.delete(agent);
    this.#callers.set(agent, caller);
    if (this.#callers.size <= MOST_CALLERS) return;
    const [oldest] = this.#callers.keys();
    if (oldest !== undefined) this.#callers.delete(oldest);
  }

  /** The figures of the minute up to the last `advance`, or to the last outcome if that was later. */
  figures(): StableRecent {
    const denied = [...this.#callers.values()].filter(({ isDenied }) => isDenied).length;
    return {
      attempts: this.#counts.total(ATTEMPTS),
      faults: this.#counts.total(FAULTS),
      connectFailures: this.#counts.total(CONNECT_FAILURES),
      ...(denied > 0 && { callers: this.#callers.size, denied }),
    };
  }

  /** Time moves on. */
  advance(nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    if (second <= this.#counts.now) return;
    this.#counts.advance(second);
    for (const [agent, caller] of this.#callers) if (caller.second <= second - SECONDS) this.#callers.delete(agent);
  }
}
