import type { Role } from '../route.ts';

/** Minutes are merged until each role has this many scores. */
const ENOUGH = 10;
/** The variance that each role begins with has the weight of this many calls. */
const PRIOR = 50;

/** The scores of one or a few minutes, of both roles. */
export interface Block {
  /** Minutes since the last block, its own minutes included. */
  readonly minutes: number;
  /** Mean of the canary's scores less that of stable's. */
  readonly difference: number;
  /** The part of that difference's variance that comes from sampling. */
  readonly noise: number;
  /** Whether the stable role was at its usual level in all its minutes. */
  readonly isUsual: boolean;
}

interface Sums {
  n: number;
  sum: number;
  squares: number;
}

/** Gathers one metric's scores minute by minute into blocks in which both roles have enough scores. */
export class Blocks {
  readonly #open: Record<Role, Sums> = { stable: zero(), canary: zero() };
  /** Squared deviations within blocks, and their degrees of freedom. */
  readonly #within: Record<Role, { squares: number; free: number }>;
  readonly #least: number;
  #since: number | null = null;
  #isUsual = true;

  /** `variance`: of single scores, as a first guess; `least`: the least variance that is ever assumed. */
  constructor(variance: number, least = 0) {
    this.#least = least;
    const prior = () => ({ squares: variance * PRIOR, free: PRIOR });
    this.#within = { stable: prior(), canary: prior() };
  }

  add(role: Role, score: number): void {
    const sums = this.#open[role];
    sums.n++;
    sums.sum += score;
    sums.squares += score * score;
  }

  /**
   * Ends a minute. Returns a block if both roles have enough scores, else null. Minutes may be counted from any origin.
   */
  endMinute(minute: number, isUsual: boolean): Block | null {
    this.#since ??= minute - 1;
    const { stable, canary } = this.#open;
    if (!isUsual) this.#isUsual = false;
    if (stable.n < ENOUGH || canary.n < ENOUGH) return null;
    const minutes = minute - this.#since;
    const block = {
      minutes,
      difference: canary.sum / canary.n - stable.sum / stable.n,
      noise: this.#noise('stable') + this.#noise('canary'),
      isUsual: this.#isUsual,
    };
    this.#since = minute;
    this.drop();
    return block;
  }

  #noise(role: Role): number {
    const { n, sum, squares } = this.#open[role];
    const within = this.#within[role];
    within.squares += Math.max(0, squares - (sum * sum) / n);
    within.free += n - 1;
    return Math.max(this.#least, within.squares / within.free) / n;
  }

  /** Drops the open block. Called when a step begins, because a block never spans two steps. */
  drop(): void {
    this.#open.stable = zero();
    this.#open.canary = zero();
    this.#isUsual = true;
  }
}

function zero(): Sums {
  return { n: 0, sum: 0, squares: 0 };
}
