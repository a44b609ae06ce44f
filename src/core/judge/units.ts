import type { Role } from '../route.ts';
import { MINUTE_US } from '../time.ts';
import { either, mayHave } from './asks.ts';
import type { Asks } from './asks.ts';
import { clipped, SCORED } from './scores.ts';
import type { Scores } from './scores.ts';
import type { JudgedCall } from './verdict.ts';

/** The calls of a unit are gathered for so long from its first call on, and then count as one observation. */
const GATHERED_US = 5 * MINUTE_US;
/** With more units at once, the oldest is closed early. */
const MOST_OPEN = 20_000;
/** So many units are known at least. A unit that was not seen for as long counts as new. */
const MOST_KNOWN = 50_000;

/** Finds the first call of each unit. Its memory is bounded. */
export class FirstCalls {
  #young = new Set<number>();
  #old = new Set<number>();

  /** Whether a call is the first of its unit. A call that was assigned by itself always is. */
  isFirst({ unit }: Pick<JudgedCall, 'unit'>): boolean {
    if (unit === undefined) return true;
    if (this.#young.has(unit)) return false;
    const isKnown = this.#old.has(unit);
    this.#young.add(unit);
    if (this.#young.size >= MOST_KNOWN) [this.#old, this.#young] = [this.#young, new Set()];
    return !isKnown;
  }
}

/** One unit as one observation: the means of what its calls scored; null where none has a score, nothing where none asks for it. */
export interface UnitScore {
  readonly role: Role;
  /** The canary's weight when its first call was assigned. */
  readonly weight: number;
  /** What any of its calls asked of the form of its answer; absent if that is not known. */
  readonly asks?: Asks;
  readonly scores: Scores;
}

interface Open {
  readonly role: Role;
  readonly weight: number;
  asks: Asks | undefined;
  readonly sinceUs: number;
  readonly sums: Map<keyof Scores, { n: number; sum: number; isAsked: boolean }>;
}

/**
 * Gathers the calls of units that were assigned as a whole. The calls of a unit share one coin, and often one fate: a
 * conversation that is too long fails on every call. So a unit is evidence once, by the mean of its calls, and never again.
 */
export class Units {
  readonly #first = new FirstCalls();
  readonly #open = new Map<number, Open>();
  readonly #take: (unit: UnitScore) => void;

  /** `take` gets each unit once, when it is closed. */
  constructor(take: (unit: UnitScore) => void) {
    this.#take = take;
  }

  /** Takes the next call in order of arrival. Returns whether it is the first of its unit. */
  add(call: JudgedCall, scores: Scores): boolean {
    this.#closeUntil(call.arrivedAtUs - GATHERED_US);
    const { unit, role, weight, asks } = call;
    const isFirst = this.#first.isFirst(call);
    if (unit === undefined) {
      this.#take({ role, weight, ...(asks !== undefined && { asks }), scores });
      return true;
    }
    if (isFirst) {
      if (this.#open.size >= MOST_OPEN) this.#closeUntil(Number.POSITIVE_INFINITY, 1);
      this.#open.set(unit, { role, weight, asks, sinceUs: call.arrivedAtUs, sums: new Map() });
    }
    const open = this.#open.get(unit);
    // What comes after a unit was closed is no evidence: its coin is known.
    if (open === undefined) return isFirst;
    if (!isFirst) open.asks = either(open.asks, asks);
    for (const name of SCORED) {
      const score = scores[name];
      if (score == null && !mayHave(name, asks)) continue;
      const sums = open.sums.get(name) ?? { n: 0, sum: 0, isAsked: true };
      open.sums.set(name, sums);
      // The calls of a unit are alike: if one does not ask for it, one that failed has not asked either.
      if (score === undefined) sums.isAsked = false;
      if (score == null) continue;
      sums.n++;
      // One call that never ended must not outweigh all others.
      sums.sum += clipped(name, score);
    }
    return isFirst;
  }

  /** Closes all units, because a step ends: a unit belongs to the step in which it began. */
  closeAll(): void {
    this.#closeUntil(Number.POSITIVE_INFINITY);
  }

  #closeUntil(untilUs: number, most = Number.POSITIVE_INFINITY): void {
    let left = most;
    for (const [unit, { role, weight, asks, sinceUs, sums }] of this.#open) {
      if (sinceUs > untilUs || left-- <= 0) return;
      this.#open.delete(unit);
      const means = [...sums]
        .filter(([, { n, isAsked }]) => n > 0 || isAsked)
        .map(([name, { n, sum }]) => [name, n === 0 ? null : sum / n] as const);
      const scores = Object.fromEntries(means) as Scores;
      this.#take({ role, weight, ...(asks !== undefined && { asks }), scores });
    }
  }
}
