import { SlidingCounts } from '../stats/sliding-counts.ts';
import { SECOND_MS } from '../time.ts';
import type { DemandFigures } from './criteria.ts';
import { ServedWindow } from './served-window.ts';
import type { ServedCall } from './served-window.ts';

const CALLS = 0;
const REFUSED = 1;
/** Agents whose newest call is in that second, and those of them whose name was derived. */
const AGENTS = 2;
const DERIVED = 3;
/** The kinds of refusal, each in a column of its own. */
const KINDS = { clients: 4, here: 5, delayed: 6 } as const;

export type RefusalKind = keyof typeof KINDS;

/**
 * The sliding window of one route's demand, in one-second buckets. The cost of a call and of a second does not depend
 * on how many calls the window holds. Whether the criteria hold is judged at the end of every second, so that "without
 * interruption" does not depend on when ticks happen.
 *
 * Times are epoch milliseconds. A call that is reported late counts in the current second, except with `arrivedLate`.
 */
export class DemandWindow {
  readonly #holds: (figures: DemandFigures) => boolean;
  readonly #size: number;
  readonly #counts: SlidingCounts;
  readonly #served: ServedWindow | null;
  readonly #agents = new Map<string, { second: number; isDerived: boolean }>();
  #holdsSince: number | null = null;
  #out: { since: number; until: number } | null = null;

  /** `holds`: whether a window's figures meet the criteria. `keepsServed`: whether the figures contain `served`. */
  constructor(windowMs: number, holds: (figures: DemandFigures) => boolean, keepsServed = false) {
    this.#size = Math.max(1, Math.ceil(windowMs / SECOND_MS));
    this.#holds = holds;
    this.#counts = new SlidingCounts(7, this.#size);
    this.#served = keepsServed ? new ServedWindow(this.#size) : null;
  }

  /** Calls in the window. Cheaper than `figures`. */
  get calls(): number {
    return this.#counts.total(CALLS);
  }

  /** Since when the criteria have held at the end of every second, epoch ms; null if they do not hold. */
  get holdsSince(): number | null {
    return this.#holdsSince;
  }

  /** Counts a call that arrived for serverless. */
  arrived(atMs: number, agent: string, isDerived: boolean): void {
    this.advance(atMs);
    this.#count(this.#counts.now, agent, isDerived);
  }

  /**
   * Counts a call that is reported long after its time, in the second in which it arrived. False, and nothing is
   * counted, if that second is no longer, or not yet, in the window. Seconds that were judged already are not judged
   * again.
   */
  arrivedLate(
    atMs: number,
    nowMs: number,
    { agent, isDerived }: { readonly agent: string; readonly isDerived: boolean },
    isRefused: boolean,
  ): boolean {
    this.advance(nowMs);
    const second = Math.floor(atMs / SECOND_MS);
    if (!this.#counts.has(second)) return false;
    this.#count(second, agent, isDerived);
    if (isRefused) this.#counts.add(REFUSED, second);
    return true;
  }

  #count(second: number, agent: string, isDerived: boolean): void {
    this.#counts.add(CALLS, second);
    const seen = this.#agents.get(agent);
    if (seen === undefined) {
      this.#agents.set(agent, { second, isDerived });
      this.#countAgent(second, isDerived, 1);
    } else if (seen.second < second) {
      this.#countAgent(seen.second, seen.isDerived, -1);
      seen.second = second;
      seen.isDerived = isDerived;
      this.#countAgent(second, isDerived, 1);
    }
  }

  /** Counts a refusal (429) of a first attempt. */
  refused(atMs: number): void {
    this.advance(atMs);
    this.#counts.count(REFUSED);
  }

  /** Counts a call in the second of `atMs`, if that is in the window, as one of a kind. A call may be of several. */
  wasRefused(kind: RefusalKind, atMs: number, nowMs: number): void {
    this.advance(nowMs);
    const second = Math.min(this.#counts.now, Math.floor(atMs / SECOND_MS));
    if (this.#counts.has(second)) this.#counts.add(KINDS[kind], second);
  }

  /**
   * Serverless is out. The criteria do not hold as long as the window has a part of an outage, because then failures and
   * the repeats of them look like demand.
   */
  isOut(nowMs: number): void {
    this.advance(nowMs);
    const since = this.outage(nowMs)?.since ?? nowMs;
    this.#out = { since, until: nowMs };
    this.#holdsSince = null;
  }

  /** The outage of serverless of which the window has a part, epoch ms; null if there is none. */
  outage(nowMs: number): { readonly since: number; readonly until: number } | null {
    return this.#out !== null && nowMs - this.#out.until <= this.#size * SECOND_MS ? this.#out : null;
  }

  /** Counts how a call for serverless ended, in the second in which it ended, if that second is in the window. */
  ended(atMs: number, nowMs: number, call: ServedCall): void {
    if (this.#served === null) return;
    this.advance(nowMs);
    this.#served.ended(Math.min(this.#counts.now, Math.floor(atMs / SECOND_MS)), call);
  }

  /** Moves the window on: judges every second that has ended, and forgets what left the window. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / SECOND_MS);
    if (Number.isNaN(this.#counts.now)) this.#moveTo(target);
    // After a silence longer than the window nothing is left in it.
    if (target - this.#counts.now > 2 * this.#size) {
      this.#agents.clear();
      this.#holdsSince = null;
      this.#moveTo(target - 1);
    }
    while (this.#counts.now < target) {
      this.#judge();
      this.#moveTo(this.#counts.now + 1);
    }
  }

  #moveTo(second: number): void {
    this.#counts.advance(second);
    this.#served?.advance(second);
    if (this.#agents.size <= 2 * this.#counts.total(AGENTS) + 1_000) return;
    for (const [agent, seen] of this.#agents) {
      if (!this.#counts.has(seen.second)) this.#agents.delete(agent);
    }
  }

  /** Calls before `nowMs` were missed, so that the criteria no longer count as held without interruption. */
  interrupt(nowMs: number): void {
    this.advance(nowMs);
    this.#holdsSince = null;
  }

  /** The figures of the window that ends now. */
  figures(): DemandFigures {
    const calls = this.#counts.total(CALLS);
    const refused = this.#counts.total(REFUSED);
    return {
      calls,
      agents: this.#counts.total(AGENTS),
      derivedAgents: this.#counts.total(DERIVED),
      refused,
      // A refusal counts when it becomes known, and a call when it arrives, so that there may be more refusals than
      // calls.
      refusedShare: calls === 0 ? 0 : Math.min(1, refused / calls),
      ...this.#kinds(),
      ...(this.#served !== null && { served: this.#served.figures() }),
    };
  }

  #kinds(): Pick<DemandFigures, 'kinds'> {
    const [clients, here, delayed] = [KINDS.clients, KINDS.here, KINDS.delayed].map((at) => this.#counts.total(at));
    const kinds = { clients: clients ?? 0, here: here ?? 0, delayed: delayed ?? 0 };
    return Object.values(kinds).every((count) => count === 0) ? {} : { kinds };
  }

  #judge(): void {
    const isOut = this.outage((this.#counts.now + 1) * SECOND_MS) !== null;
    if (isOut || !this.#holds(this.figures())) this.#holdsSince = null;
    else this.#holdsSince ??= (this.#counts.now + 1) * SECOND_MS;
  }

  #countAgent(second: number, isDerived: boolean, change: 1 | -1): void {
    this.#counts.add(AGENTS, second, change);
    if (isDerived) this.#counts.add(DERIVED, second, change);
  }
}
