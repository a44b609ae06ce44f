import type { Role } from '../route.ts';
import { CoinBet } from '../stats/coin.ts';
import { LevelTest, rhoAfter } from '../stats/level.ts';
import type { Drift } from '../stats/level.ts';
import { STEP_AT, WIDE } from './error-rates.ts';
import type { Block } from './minute-blocks.ts';

/** Odds that the canary is within its margin: over the whole rollout, and in this step at the wider margin. */
export interface PassOdds {
  readonly rollout: number;
  readonly step: number;
}

/** The durations, minutes, at which the tests over the rollout and in a step are most sensitive. */
export const ROLLOUT_MINUTES = 45;
export const STEP_MINUTES = 12;

/**
 * Half of the stake is on a canary that is within the margin by this part of the margin: one that is slightly worse
 * than stable, or equally good.
 */
export const AIM = 0.8;

/**
 * A block's distance from the margin is limited to this plus one standard deviation of sampling, so that incidents
 * count little.
 */
const CLIP_LEAST = 0.2;
const CLIP_MARGINS = 1.4;

/** One side of a size: tests whether the level is beyond `margin` (in logarithms, signed). */
class Side {
  readonly #margin: number;
  readonly #rho: number;
  readonly #toward: 1 | -1;
  #gain = new LevelTest();
  #loss = new LevelTest();

  constructor(margin: number, rho: number) {
    this.#margin = margin;
    this.#rho = rho;
    this.#toward = margin > 0 ? 1 : -1;
  }

  add({ difference, noise, minutes, isUsual }: Block, drift: Drift): void {
    const clip = Math.max(CLIP_LEAST, CLIP_MARGINS * Math.abs(this.#margin)) + Math.sqrt(noise);
    const beyond = Math.max(-clip, Math.min(clip, difference - this.#margin));
    this.#loss.add(beyond, noise, minutes, drift);
    if (isUsual || beyond * this.#toward > 0) this.#gain.add(beyond, noise, minutes, drift);
  }

  /** Odds that it is within the margin. */
  get pass(): number {
    const sign = this.#toward === 1 ? -1 : 1;
    return Math.exp(Math.min(27, this.#gain.logOddsAimed(sign, this.#rho, AIM * Math.abs(this.#margin))));
  }

  /** Odds that it is beyond the margin. */
  get fail(): number {
    return Math.exp(Math.min(27, this.#loss.logOdds(this.#toward, this.#rho)));
  }
}

/** The gate of a size: compares block differences with the margin, and allows for drift. Margins are in logarithms. */
export class SizeGate {
  readonly #margins: readonly number[];
  readonly #rho: { readonly rollout: number; readonly step: number };
  readonly #rollout: readonly Side[];
  #step: readonly Side[];
  #failRollout = 0;
  #failStep = 0;

  /** `margins`: one, or one for each side; `noise`: the usual sampling variance of a block. */
  constructor(margins: readonly number[], noise: number, drift: Drift) {
    this.#margins = margins;
    this.#rho = {
      rollout: rhoAfter(ROLLOUT_MINUTES, noise, drift, 1 / STEP_AT),
      step: rhoAfter(STEP_MINUTES, noise, drift, 1 / STEP_AT),
    };
    this.#rollout = margins.map((margin) => new Side(margin, this.#rho.rollout));
    this.#step = this.#newStep();
  }

  #newStep(): readonly Side[] {
    return this.#margins.map((margin) => new Side(margin * WIDE, this.#rho.step));
  }

  add(block: Block, drift: Drift): void {
    for (const side of [...this.#rollout, ...this.#step]) side.add(block, drift);
    this.#failRollout = Math.max(this.#failRollout, ...this.#rollout.map((side) => side.fail));
    this.#failStep = Math.max(this.#failStep, ...this.#step.map((side) => side.fail));
  }

  beginStep(): void {
    this.#step = this.#newStep();
  }

  passOdds(): PassOdds {
    return {
      rollout: Math.min(...this.#rollout.map((side) => side.pass)),
      step: Math.min(...this.#step.map((side) => side.pass)),
    };
  }

  /**
   * The highest odds so far that the canary is beyond its margin; for a step: beyond the wider margin, in any step so
   * far.
   */
  failOdds(): PassOdds {
    // If there are two sides, each has half of the allowed error.
    const sides = this.#margins.length;
    return { rollout: this.#failRollout / sides, step: this.#failStep / sides };
  }
}

/** The gate of a share: bets that the canary's share is not larger than stable's by the margin. */
export class ShareGate {
  readonly #margin: number;
  readonly #guess: number;
  readonly #rollout: CoinBet;
  #step: CoinBet;

  constructor(margin: number, guess: number) {
    this.#margin = margin;
    this.#guess = guess;
    this.#rollout = this.#bet(margin);
    this.#step = this.#bet(margin * WIDE);
  }

  #bet(margin: number): CoinBet {
    return new CoinBet({ claim: 'fine', top: 1 + margin, guess: this.#guess + 0.9 * margin, canRestart: false });
  }

  take(role: Role, weight: number, score: number | null): void {
    const [plain, wide] = role === 'canary' ? [0, 0] : [this.#margin, this.#margin * WIDE];
    this.#rollout.take(role, weight, score === null ? null : score + plain);
    this.#step.take(role, weight, score === null ? null : score + wide);
  }

  /** Counts a call that does not ask for what is scored. */
  passBy(role: Role): void {
    this.#rollout.passBy(role);
    this.#step.passBy(role);
  }

  pair(stable: number, canary: number): void {
    this.#rollout.pair(canary - stable - this.#margin);
    this.#step.pair(canary - stable - this.#margin * WIDE);
  }

  endMinute(isUsual: boolean): void {
    this.#rollout.endMinute(isUsual);
    this.#step.endMinute(isUsual);
  }

  beginStep(): void {
    this.#step = this.#bet(this.#margin * WIDE);
  }

  passOdds(): PassOdds {
    return { rollout: this.#rollout.settled, step: this.#step.settled };
  }
}
