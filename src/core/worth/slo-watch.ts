import type { SloPolicy } from '../policy/back.ts';
import { MINUTE_MS } from '../time.ts';

/** What an endpoint gave in the last five whole minutes, and since when that is not what it owes. */
export interface SloFigures {
  /** Calls that it answered or failed. */
  readonly calls: number;
  /** Share of its answers that took longer than `p95` allows; null where that is not asked for. */
  readonly slowShare: number | null;
  /** Share of its calls that did not fail. */
  readonly availability: number;
  /** Since when it has missed what it owes, without interruption; null where it does not. */
  readonly missedSince: number | null;
}

const WINDOW = 5;
/** A p95 is missed where more than this share is slower. */
const SLOW_SHARE = 0.05;
/** In a window with fewer calls than this nothing is missed. */
const LEAST_CALLS = 20;

/** One endpoint against what it owes, in windows of five whole minutes, each judged when it ends. */
export class SloWatch {
  readonly #policy: SloPolicy;
  readonly #answered = new Uint32Array(WINDOW + 1);
  readonly #slow = new Uint32Array(WINDOW + 1);
  readonly #failed = new Uint32Array(WINDOW + 1);
  #minute: number;
  #missedSince: number | null = null;

  constructor(policy: SloPolicy, nowMs: number) {
    this.#policy = policy;
    this.#minute = Math.floor(nowMs / MINUTE_MS);
  }

  /** A call that the endpoint answered, and how long that took, clock ms. */
  answered(atMs: number, durationMs: number): void {
    this.#advance(atMs);
    this.#count(this.#answered);
    if (this.#policy.p95 !== null && durationMs > this.#policy.p95) this.#count(this.#slow);
  }

  /** A call that the endpoint failed. */
  failed(atMs: number): void {
    this.#advance(atMs);
    this.#count(this.#failed);
  }

  /** Not all of its calls before `nowMs` were seen. */
  interrupt(nowMs: number): void {
    this.#advance(nowMs);
    this.#missedSince = null;
  }

  figures(nowMs: number): SloFigures {
    this.#advance(nowMs);
    return { ...this.#window(), missedSince: this.#missedSince };
  }

  #count(counts: Uint32Array): void {
    const slot = this.#minute % counts.length;
    counts[slot] = (counts[slot] as number) + 1;
  }

  #advance(nowMs: number): void {
    const target = Math.floor(nowMs / MINUTE_MS);
    if (target - this.#minute > 2 * WINDOW) {
      for (const counts of [this.#answered, this.#slow, this.#failed]) counts.fill(0);
      this.#missedSince = null;
      this.#minute = target;
    }
    while (this.#minute < target) {
      this.#minute++;
      for (const counts of [this.#answered, this.#slow, this.#failed]) counts[this.#minute % counts.length] = 0;
      if (!this.#isMissed()) this.#missedSince = null;
      else this.#missedSince ??= this.#minute * MINUTE_MS;
    }
  }

  #isMissed(): boolean {
    const { calls, slowShare, availability } = this.#window();
    if (calls < LEAST_CALLS) return false;
    const wanted = this.#policy.availability;
    return (slowShare !== null && slowShare > SLOW_SHARE) || (wanted !== null && availability < wanted);
  }

  #window(): Omit<SloFigures, 'missedSince'> {
    const now = this.#minute % (WINDOW + 1);
    const sum = (counts: Uint32Array) => counts.reduce((total, count, slot) => total + (slot === now ? 0 : count), 0);
    const [answered, failed] = [sum(this.#answered), sum(this.#failed)];
    const calls = answered + failed;
    const isTimed = this.#policy.p95 !== null;
    return {
      calls,
      slowShare: isTimed ? (answered === 0 ? 0 : sum(this.#slow) / answered) : null,
      availability: calls === 0 ? 1 : answered / calls,
    };
  }
}
