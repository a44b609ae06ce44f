import { meaningOf } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { BreakerPolicy } from '../policy/care.ts';
import { FaultsInRow } from './faults-in-row.ts';

/**
 * The state of one upstream's breaker, for display and for the next process. Times in clock ms. `agents`: how many
 * agents' calls it stops; null: all calls.
 */
export type BreakerState =
  | { readonly state: 'closed' }
  | {
      readonly state: 'open';
      readonly since: number;
      readonly until: number;
      readonly cause: Outcome;
      readonly agents: number | null;
    }
  /** `since`: when the latest probe was sent. */
  | {
      readonly state: 'half-open';
      readonly since: number;
      readonly probing: number;
      readonly cause: Outcome;
      readonly agents: number | null;
    };

export const CLOSED: BreakerState = { state: 'closed' };

/** The first probe goes out after this, and later ones after twice as long each, up to the policy's `cooldown`. */
const FIRST_PAUSE_MS = 500;
/** A probe without an answer for this long lets another one go out. */
const PROBE_PATIENCE_MS = 5_000;
/** An outage that begins so soon after the last one is the same outage. */
const SAME_MS = 30_000;

/** How an attempt ended. */
export interface Ended {
  readonly outcome: Outcome;
  /** Whether it was sent as a probe. */
  readonly wasProbe: boolean;
  readonly agent: string;
  /**
   * What stands for the call's path and body; null if a fault of this call was counted before. It is asked only if the
   * fault counts.
   */
  readonly bodyOf: () => string | null;
  /** Whether there was no connection to the upstream, which no call can cause. */
  readonly isUnreachable: boolean;
  readonly nowMs: number;
}

/**
 * Stops calls to an upstream that fails repeatedly. Faults in a row of several agents stop all calls. Faults of one or
 * two agents stop only the calls of these agents, because the calls themselves may be the cause.
 */
export class Breaker {
  #state: BreakerState;
  /** The faults since the last answer. While the breaker stops some agents only, these are the agents. */
  readonly #faults = new FaultsInRow();
  #pauseMs = 0;
  #closedAtMs = Number.NEGATIVE_INFINITY;

  /** `learned`: the state of a former process, whose probes are gone with it. */
  constructor(learned: BreakerState = CLOSED) {
    this.#state = learned.state === 'half-open' ? { ...learned, probing: 0 } : learned;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** The part that is kept across restarts: nothing about single agents. */
  get learned(): BreakerState {
    return this.#isForSome ? CLOSED : this.#state;
  }

  /** The faults since the last answer; 0 once they stop all calls. */
  get faultsInRow(): number {
    return this.#faults.count;
  }

  /** Whether it treats the calls of all agents alike. */
  get isSameForAll(): boolean {
    return !this.#isForSome;
  }

  /** Whether it stops the agent's calls, or lets only probes through. */
  stops(agent: string): boolean {
    return this.#state.state !== 'closed' && (!this.#isForSome || this.#faults.isBy(agent));
  }

  /** Whether a call of the agent may go to the upstream; if not, `askAt` is when to ask again (clock ms). */
  admits(agent: string, policy: BreakerPolicy, nowMs: number): { ok: boolean; askAt: number } {
    const state = this.#state;
    if (state.state === 'closed' || !this.stops(agent)) return { ok: true, askAt: nowMs };
    if (state.state === 'open') return { ok: nowMs >= state.until, askAt: state.until };
    // A probe that never ends must not keep the breaker open.
    const askAt = state.since + Math.min(policy.cooldown, Math.max(PROBE_PATIENCE_MS, this.#pauseMs));
    return { ok: state.probing < policy.probes || nowMs >= askAt, askAt };
  }

  /** A call of the agent is sent. Returns whether it is a probe. */
  sent(agent: string, nowMs: number): boolean {
    const state = this.#state;
    if (state.state === 'closed' || !this.stops(agent)) return false;
    const probing = state.state === 'open' ? 1 : state.probing + 1;
    this.#state = { state: 'half-open', since: nowMs, probing, cause: state.cause, agents: state.agents };
    return true;
  }

  /**
   * An attempt ended. Returns whether calls of all agents were stopped before and none is now. Attempts that were under
   * way when the breaker stopped all calls are ignored.
   */
  ended(policy: BreakerPolicy, attempt: Ended): boolean {
    const { health } = meaningOf(attempt.outcome);
    const state = this.#state;
    if (attempt.wasProbe && state.state !== 'closed') return this.#probed(policy, health, attempt);
    if (health === null || (state.state !== 'closed' && !this.#isForSome)) return false;
    if (health === 'well') this.#close(attempt.nowMs);
    else this.#fault(policy, attempt);
    return false;
  }

  #probed(policy: BreakerPolicy, health: 'fault' | 'well' | null, { outcome, nowMs }: Ended): boolean {
    const state = this.#state;
    if (state.state !== 'half-open') return false;
    if (health === 'well') {
      this.#close(nowMs);
      return state.agents === null;
    }
    if (health === 'fault') {
      const until = nowMs + this.#nextPause(policy);
      this.#state = { state: 'open', since: nowMs, until, cause: outcome, agents: state.agents };
    } else this.#state = { ...state, probing: Math.max(0, state.probing - 1) };
    return false;
  }

  #fault(policy: BreakerPolicy, { outcome, agent, bodyOf, isUnreachable, nowMs }: Ended): void {
    this.#faults.add(agent, bodyOf(), isUnreachable);
    const who = this.#faults.reach(policy.faults);
    if (who === 'none') return;
    const state = this.#state;
    const isNew = state.state === 'closed' || who === 'all';
    const agents = who === 'all' ? null : this.#faults.agents;
    if (isNew) {
      if (nowMs - this.#closedAtMs > SAME_MS) this.#pauseMs = 0;
      const until = nowMs + this.#nextPause(policy);
      this.#state = { state: 'open', since: nowMs, until, cause: outcome, agents };
    } else this.#state = { ...state, agents };
    if (who === 'all') this.#faults.clear();
  }

  #nextPause({ cooldown }: BreakerPolicy): number {
    this.#pauseMs = Math.min(cooldown, this.#pauseMs === 0 ? FIRST_PAUSE_MS : 2 * this.#pauseMs);
    return this.#pauseMs;
  }

  #close(nowMs: number): void {
    this.#faults.clear();
    if (this.#state.state === 'closed') return;
    this.#closedAtMs = nowMs;
    this.#state = CLOSED;
  }

  get #isForSome(): boolean {
    const state = this.#state;
    return state.state !== 'closed' && state.agents !== null;
  }
}
