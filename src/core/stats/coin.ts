import { Wealth } from './wealth.ts';

/** A running mean over about as many calls, and how many the first guess counts for. */
const MEMORY = 1_000;
const FIRST = 100;

/** The same for the share of a role's calls that have a score; it must follow bursts of refusals. */
const KEPT_MEMORY = 200;
const KEPT_FIRST = 20;

/** The least and largest chance that is still a coin. */
const LEAST = 1e-4;

/** What a coin bet is about: scores from 0 to `top`, the canary's against the stable role's plus a margin. */
export interface CoinRule {
  /** `worse`: money is made where the canary scores higher than stable and margin; `fine`: where it does not. */
  readonly claim: 'worse' | 'fine';
  readonly top: number;
  /** Where scores lie before there are any. */
  readonly guess: number;
  readonly canRestart: boolean;
}

/**
 * Bets on the coin that assigned each call to a role (judging notes 3.5): with A = 1 for the canary, chance w, a score g
 * (margin included) and a guess m made before the call, (g - m)(A - w) has a mean of 0 or less while the canary is not
 * worse, whatever drifts, bursts and mixes the two roles share.
 *
 * A call without a score stands aside. Where that happens more often in one role (serverless refuses), the coin among
 * the calls left is another one: its chance is corrected by the roles' shares of scored calls so far.
 */
export class CoinBet {
  readonly #rule: CoinRule;
  readonly #wealth: Wealth;
  /** As it was when the minute began. */
  readonly #before: Wealth | null;
  #guess: number;
  #guessBefore: number;
  #seen = FIRST;
  readonly #kept = { stable: 1, canary: 1 };
  readonly #roleSeen = { stable: KEPT_FIRST, canary: KEPT_FIRST };
  #peak = 1;

  constructor(rule: CoinRule) {
    this.#rule = rule;
    this.#guess = rule.guess;
    this.#guessBefore = rule.guess;
    this.#wealth = new Wealth(rule);
    this.#before = rule.claim === 'fine' ? new Wealth(rule) : null;
  }

  /** The most it has ever been worth. */
  get peak(): number {
    return this.#peak;
  }

  get worth(): number {
    return this.#wealth.value;
  }

  /** What it is worth, the minute under way counting only where it lost. */
  get settled(): number {
    return this.#before === null ? this.#wealth.value : Math.min(this.#wealth.value, this.#before.value);
  }

  /** The next call of a role that had the chance `weight` to be the canary's; null: it has no score. */
  take(role: 'stable' | 'canary', weight: number, score: number | null): void {
    const { stable, canary } = this.#kept;
    const chance = (weight * canary) / (weight * canary + (1 - weight) * stable);
    const seen = Math.min(KEPT_MEMORY, this.#roleSeen[role]++);
    this.#kept[role] += ((score === null ? 0 : 1) - this.#kept[role]) / (seen + 1);
    if (score === null) return;
    if (chance > LEAST && chance < 1 - LEAST) this.#bet(role === 'canary' ? 1 - chance : -chance, chance, score);
    this.#guess += (score - this.#guess) / Math.min(MEMORY, ++this.#seen);
  }

  #bet(surprise: number, chance: number, score: number): void {
    const { claim, top } = this.#rule;
    const [above, below] = [top - this.#guess, this.#guess];
    const x = (score - this.#guess) * surprise;
    if (claim === 'worse') this.#stake(x, Math.max(above * chance, below * (1 - chance)));
    else this.#stake(-x, Math.max(above * (1 - chance), below * chance));
  }

  /** A pair needs no coin: `score` of the canary less that of stable, margin included; at most `top` either way. */
  pair(difference: number): void {
    this.#stake(this.#rule.claim === 'worse' ? difference : -difference, this.#rule.top);
  }

  #stake(x: number, worst: number): void {
    this.#wealth.bet(x, worst);
    if (x > 0) this.#peak = Math.max(this.#peak, this.#wealth.value);
  }

  /** A minute is over. Where the stable role was not itself, what it won is given back and what was guessed forgotten. */
  endMinute(isStableUsual: boolean): void {
    if (this.#before !== null) {
      if (!isStableUsual && this.#wealth.value > this.#before.value) this.#wealth.become(this.#before);
      else this.#before.become(this.#wealth);
    }
    if (isStableUsual) this.#guessBefore = this.#guess;
    else this.#guess = this.#guessBefore;
    this.#wealth.restart();
  }
}
