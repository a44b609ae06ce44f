import type { Role } from '../route.ts';
import { LevelTest, rhoAfter } from '../stats/level.ts';
import type { Drift } from '../stats/level.ts';
import { Blocks } from './minute-blocks.ts';
import type { Block } from './minute-blocks.ts';

/** The chance that a range is wrong at any time at all. Ranges are tightest after about `TIGHT_MINUTES`. */
const ALPHA = 0.05;
const TIGHT_MINUTES = 30;

/** The profile's drift has the weight of this many blocks of this rollout. */
const PRIOR_BLOCKS = 60;

/**
 * Compares one metric of the two roles: their levels in the step, and their difference over the whole rollout with its
 * range, computed from blocks of minutes.
 */
export class Comparison {
  readonly #blocks: Blocks;
  readonly #prior: Drift;
  readonly #effect = new LevelTest();
  readonly #rho: number;
  readonly #step: Record<Role, { n: number; sum: number }> = { stable: { n: 0, sum: 0 }, canary: { n: 0, sum: 0 } };
  #differences = { n: 0, mean: 0, squares: 0, noise: 0 };

  /**
   * `variance`: of single scores; it is never taken to be below `least`. `drift`: of the difference of the roles'
   * levels.
   */
  constructor(variance: number, drift: Drift, callsPerMinute: number, least = 0) {
    this.#blocks = new Blocks(variance, least);
    this.#prior = drift;
    this.#rho = rhoAfter(TIGHT_MINUTES, usualNoise(variance, callsPerMinute), drift, ALPHA / 2);
  }

  /** How the difference of the levels wanders: as in the profile, or more if this rollout shows more. */
  get drift(): Drift {
    const { n, squares, noise } = this.#differences;
    const shown = n < 2 ? 0 : squares / (n - 1) - noise / n;
    const prior = this.#prior.sigma ** 2;
    const pooled = (PRIOR_BLOCKS * prior + n * Math.max(prior, shown)) / (PRIOR_BLOCKS + n);
    return { sigma: Math.sqrt(pooled), phi: this.#prior.phi };
  }

  add(role: Role, score: number): void {
    this.#blocks.add(role, score);
    const level = this.#step[role];
    level.n++;
    level.sum += score;
  }

  endMinute(minute: number, isUsual: boolean): Block | null {
    const block = this.#blocks.endMinute(minute, isUsual);
    if (block === null) return null;
    this.#effect.add(block.difference, block.noise, block.minutes, this.drift);
    if (block.isUsual) this.#learn(block);
    return block;
  }

  #learn({ difference, noise }: Block): void {
    const seen = this.#differences;
    seen.n++;
    const before = difference - seen.mean;
    seen.mean += before / seen.n;
    seen.squares += before * (difference - seen.mean);
    seen.noise += noise;
  }

  beginStep(): void {
    this.#blocks.drop();
    for (const role of ['stable', 'canary'] as const) this.#step[role] = { n: 0, sum: 0 };
  }

  /** The mean score of a role in this step; null without any. */
  level(role: Role): number | null {
    const { n, sum } = this.#step[role];
    return n === 0 ? null : sum / n;
  }

  effect(): { readonly mean: number; readonly low: number; readonly high: number } | null {
    return this.#effect.range(this.#rho, ALPHA);
  }
}

/** The sampling variance of a minute's difference if a fifth of the calls goes to the canary. */
export function usualNoise(variance: number, callsPerMinute: number): number {
  const calls = callsPerMinute > 0 ? callsPerMinute : 60;
  return variance / Math.max(10, calls * 0.2) + variance / Math.max(10, calls * 0.8);
}
