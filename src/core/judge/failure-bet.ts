import type { Role } from '../route.ts';
import { CoinBet } from '../stats/coin.ts';

/** Scores of sizes are limited to this range, margin included, so that a few extreme calls do not decide. */
const CLIP = { least: -0.5, most: 1 };
const LENGTH_CLIP = { least: -1.5, most: 1.5 };

/** Bets that the canary's share of calls is larger than stable's by more than a margin. */
export class ShareFailureBet {
  readonly #margin: number;
  readonly #bet: CoinBet;

  /** `guess`: the usual share. */
  constructor(margin: number, guess: number) {
    this.#margin = margin;
    this.#bet = new CoinBet({ claim: 'worse', top: 1 + margin, guess: guess + 0.9 * margin, canRestart: true });
  }

  take(role: Role, weight: number, score: number | null): void {
    this.#bet.take(role, weight, score === null || role === 'canary' ? score : score + this.#margin);
  }

  /** Counts a call that does not ask for what is scored. */
  passBy(role: Role): void {
    this.#bet.passBy(role);
  }

  pair(stable: number, canary: number): void {
    this.#bet.pair(canary - stable - this.#margin);
  }

  endMinute(): void {
    this.#bet.endMinute(true);
  }

  get odds(): number {
    return this.#bet.peak;
  }
}

/** Bets that the canary's sizes exceed stable's by more than a margin (in logarithms), on one side or on both. */
export class SizeFailureBet {
  readonly #margin: number;
  readonly #clip: { readonly least: number; readonly most: number };
  readonly #sides: readonly { readonly sign: 1 | -1; readonly bet: CoinBet }[];

  constructor(margin: number, isTwoSided: boolean) {
    this.#margin = margin;
    this.#clip = isTwoSided ? LENGTH_CLIP : CLIP;
    const { least, most } = this.#clip;
    const signs = isTwoSided ? ([1, -1] as const) : ([1] as const);
    const rule = { claim: 'worse', top: most - least, guess: 0.9 * margin - least, canRestart: true } as const;
    this.#sides = signs.map((sign) => ({ sign, bet: new CoinBet(rule) }));
  }

  take(role: Role, weight: number, score: number | null): void {
    for (const { sign, bet } of this.#sides) {
      bet.take(role, weight, score === null ? null : this.#cut(sign * score, role));
    }
  }

  pair(stable: number, canary: number): void {
    for (const { sign, bet } of this.#sides) {
      bet.pair(this.#cut(sign * canary, 'canary') - this.#cut(sign * stable, 'stable'));
    }
  }

  /** From 0 to the rule's top, margin included. */
  #cut(score: number, role: Role): number {
    const { least, most } = this.#clip;
    return Math.max(least, Math.min(most, role === 'canary' ? score : score + this.#margin)) - least;
  }

  endMinute(): void {
    for (const { bet } of this.#sides) bet.endMinute(true);
  }

  /** The highest wealth so far. If there are two sides, each has half of the stake. */
  get odds(): number {
    return Math.max(...this.#sides.map(({ bet }) => bet.peak)) / this.#sides.length;
  }
}
