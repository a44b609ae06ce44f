import type { DemandFigures } from './criteria.ts';
import { ServedWindow } from './served-window.ts';
import type { ServedCall } from './served-window.ts';

const BUCKET_MS = 1_000;

/**
 * The sliding window of one route's demand, in one-second buckets. Each call and each second costs the same however
 * many calls the window holds. Whether the criteria hold is judged at the end of every second, not when somebody looks,
 * so that "without interruption" does not depend on when ticks happen.
 *
 * Times are epoch milliseconds and must not go far back: what is late counts in the current second.
 */
export class DemandWindow {
  readonly #holds: (figures: DemandFigures) => boolean;
  readonly #size: number;
  readonly #calls: Uint32Array;
  readonly #refused: Uint32Array;
  readonly #lastSeen: Uint32Array;
  readonly #lastSeenDerived: Uint32Array;
  readonly #served: ServedWindow | null;
  readonly #agents = new Map<string, { second: number; isDerived: boolean }>();
  #second = Number.NaN;
  #totalCalls = 0;
  #totalRefused = 0;
  #totalAgents = 0;
  #totalDerived = 0;
  #holdsSince: number | null = null;

  /** `holds` says whether a window's figures meet the criteria; `keepsServed`, whether they are to tell of answers too. */
  constructor(windowMs: number, holds: (figures: DemandFigures) => boolean, keepsServed = false) {
    this.#size = Math.max(1, Math.ceil(windowMs / BUCKET_MS));
    this.#holds = holds;
    this.#calls = new Uint32Array(this.#size);
    this.#refused = new Uint32Array(this.#size);
    this.#lastSeen = new Uint32Array(this.#size);
    this.#lastSeenDerived = new Uint32Array(this.#size);
    this.#served = keepsServed ? new ServedWindow(this.#size) : null;
  }

  /** Calls in the window: the one figure that costs nothing to ask. */
  get calls(): number {
    return this.#totalCalls;
  }

  /** Since when the criteria have held at the end of every second; null where they do not hold. */
  get holdsSince(): number | null {
    return this.#holdsSince;
  }

  /** Counts a call that arrived for serverless. */
  arrived(atMs: number, agent: string, isDerived: boolean): void {
    this.advance(atMs);
    this.#count(this.#second, agent, isDerived);
  }

  /**
   * Counts a call that is told long after its time, in the second in which it arrived; false where that is no longer, or
   * not yet, in the window. What was judged stays judged.
   */
  arrivedLate(
    atMs: number,
    nowMs: number,
    { agent, isDerived }: { readonly agent: string; readonly isDerived: boolean },
    isRefused: boolean,
  ): boolean {
    this.advance(nowMs);
    const second = Math.floor(atMs / BUCKET_MS);
    if (second <= this.#second - this.#size || second > this.#second) return false;
    this.#count(second, agent, isDerived);
    if (isRefused) this.#countRefused(second);
    return true;
  }

  #count(second: number, agent: string, isDerived: boolean): void {
    const slot = this.#slot(second);
    this.#calls[slot] = (this.#calls[slot] as number) + 1;
    this.#totalCalls++;
    const seen = this.#agents.get(agent);
    if (seen === undefined) {
      this.#agents.set(agent, { second, isDerived });
      this.#countAgent(slot, isDerived, 1);
    } else if (seen.second < second) {
      if (seen.second > this.#second - this.#size) this.#countAgent(this.#slot(seen.second), seen.isDerived, -1);
      seen.second = second;
      seen.isDerived = isDerived;
      this.#countAgent(slot, isDerived, 1);
    }
  }

  /** Counts a refusal (429) of a first attempt. */
  refused(atMs: number): void {
    this.advance(atMs);
    this.#countRefused(this.#second);
  }

  #countRefused(second: number): void {
    const slot = this.#slot(second);
    this.#refused[slot] = (this.#refused[slot] as number) + 1;
    this.#totalRefused++;
  }

  /** Counts how a call for serverless ended, in the second in which it did, where that is in the window. */
  ended(atMs: number, nowMs: number, call: ServedCall): void {
    if (this.#served === null) return;
    this.advance(nowMs);
    this.#served.ended(Math.min(this.#second, Math.floor(atMs / BUCKET_MS)), call);
  }

  /** Lets time pass: judges every second that has ended and forgets what left the window. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / BUCKET_MS);
    if (Number.isNaN(this.#second)) {
      this.#second = target;
      this.#served?.advance(target);
    }
    if (target - this.#second > 2 * this.#size) this.#leap(target);
    while (this.#second < target) {
      this.#judge();
      this.#second++;
      this.#served?.advance(this.#second);
      this.#expire(this.#slot(this.#second));
    }
  }

  /** Our own data has a hole before `nowMs`: what held before it no longer counts as uninterrupted. */
  interrupt(nowMs: number): void {
    this.advance(nowMs);
    this.#holdsSince = null;
  }

  /** The figures of the window that ends now. */
  figures(): DemandFigures {
    return {
      calls: this.#totalCalls,
      agents: this.#totalAgents,
      derivedAgents: this.#totalDerived,
      refused: this.#totalRefused,
      // A refusal counts when it is known, and a call when it arrived.
      refusedShare: this.#totalCalls === 0 ? 0 : Math.min(1, this.#totalRefused / this.#totalCalls),
      ...(this.#served !== null && { served: this.#served.figures() }),
    };
  }

  #judge(): void {
    if (!this.#holds(this.figures())) this.#holdsSince = null;
    else this.#holdsSince ??= (this.#second + 1) * BUCKET_MS;
  }

  /** After a silence longer than the window nothing is left of it. */
  #leap(target: number): void {
    for (const buckets of [this.#calls, this.#refused, this.#lastSeen, this.#lastSeenDerived]) buckets.fill(0);
    this.#agents.clear();
    this.#totalCalls = this.#totalRefused = this.#totalAgents = this.#totalDerived = 0;
    this.#holdsSince = null;
    this.#second = target - 1;
    this.#served?.advance(this.#second);
  }

  #expire(slot: number): void {
    this.#totalCalls -= this.#calls[slot] as number;
    this.#totalRefused -= this.#refused[slot] as number;
    this.#totalAgents -= this.#lastSeen[slot] as number;
    this.#totalDerived -= this.#lastSeenDerived[slot] as number;
    this.#calls[slot] = this.#refused[slot] = this.#lastSeen[slot] = this.#lastSeenDerived[slot] = 0;
    if (this.#agents.size > 2 * this.#totalAgents + 1_000) {
      for (const [agent, seen] of this.#agents) {
        if (seen.second <= this.#second - this.#size) this.#agents.delete(agent);
      }
    }
  }

  #countAgent(slot: number, isDerived: boolean, change: 1 | -1): void {
    this.#lastSeen[slot] = (this.#lastSeen[slot] as number) + change;
    this.#totalAgents += change;
    if (!isDerived) return;
    this.#lastSeenDerived[slot] = (this.#lastSeenDerived[slot] as number) + change;
    this.#totalDerived += change;
  }

  #slot(second: number): number {
    return second % this.#size;
  }
}
