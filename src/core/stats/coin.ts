import { Wealth } from './wealth.ts';

/** The running mean covers about this many calls; the first guess counts as so many. */
const MEMORY = 1_000;
const FIRST = 100;

/**
 * The same for the share of a role's calls that have a score. It is shorter because it must follow bursts of refusals.
 */
const KEPT_MEMORY = 200;
const KEPT_FIRST = 20;

/** A call whose chance is below this, or above 1 less this, is not bet on: it is not random enough. */
const LEAST = 1e-4;

/** What a bet claims. Scores lie from 0 to `top`; the canary's are compared with the stable role's plus a margin. */
export interface CoinRule {
  /** `worse`: the bet wins if the canary scores higher than stable plus margin; `fine`: if it does not. */
  readonly claim: 'worse' | 'fine';
  readonly top: number;
  /** The mean score that is assumed before the first call. */
  readonly guess: number;
  readonly canRestart: boolean;
}

/**
 * A sequential test that bets on the random assignment of each call to a role. Let A be 1 if the call went to the
 * canary and 0 otherwise, w the chance of A = 1, g the call's score (margin included) and m a guess of g from earlier
 * calls only. While the canary is not worse, E[(g - m)(A - w)] <= 0, whatever drifts, bursts and mixes both roles
 * share, because A is drawn independently of everything but the role's own effect on g. Each call multiplies the wealth
 * by 1 + s (g - m)(A - w) / worst, for several stakes s side by side, where -worst is the least value that the product
 * can have. The wealth is a test supermartingale (an e-process), so that it ever reaches 1/alpha with a chance of at
 * most alpha (Ville's inequality).
 *
 * Sources: D. Ham, I. Bojinov, M. Lindon and M. Tingley, "Design-based confidence sequences" (arXiv 2210.08639), for
 * tests that rest on the random assignment alone; I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random
 * variables by betting" (Journal of the Royal Statistical Society B 86, 2024), for bounded scores and several stakes.
 *
 * A call without a score is not bet on. If that happens more often in one role (serverless refuses), the chance among
 * the calls that are left differs from w; it is corrected by each role's share of scored calls so far.
 */
export class CoinBet {
  readonly #rule: CoinRule;
  readonly #wealth: Wealth;
  /** The wealth when the minute began. */
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

  /** The highest wealth so far; 1 at first. */
  get peak(): number {
    return this.#peak;
  }

  /** The wealth now; 1 at first. */
  get worth(): number {
    return this.#wealth.value;
  }

  /** The wealth now. Of the minute under way only losses count. */
  get settled(): number {
    return this.#before === null ? this.#wealth.value : Math.min(this.#wealth.value, this.#before.value);
  }

  /** Takes the next call. `weight`: the chance that it had to be the canary's, 0..1. `score`: null if it has none. */
  take(role: 'stable' | 'canary', weight: number, score: number | null): void {
    const { stable, canary } = this.#kept;
    const chance = (weight * canary) / (weight * canary + (1 - weight) * stable);
    this.#keep(role, score === null ? 0 : 1);
    if (score === null) return;
    if (chance > LEAST && chance < 1 - LEAST) this.#bet(role === 'canary' ? 1 - chance : -chance, chance, score);
    this.#guess += (score - this.#guess) / Math.min(MEMORY, ++this.#seen);
  }

  /** Counts a call that was answered, but that nothing asked of what is scored. It is not bet on. */
  passBy(role: 'stable' | 'canary'): void {
    this.#keep(role, 1);
  }

  #keep(role: 'stable' | 'canary', kept: 0 | 1): void {
    const seen = Math.min(KEPT_MEMORY, this.#roleSeen[role]++);
    this.#kept[role] += (kept - this.#kept[role]) / (seen + 1);
  }

  #bet(surprise: number, chance: number, score: number): void {
    const { claim, top } = this.#rule;
    const [above, below] = [top - this.#guess, this.#guess];
    const x = (score - this.#guess) * surprise;
    if (claim === 'worse') this.#stake(x, Math.max(above * chance, below * (1 - chance)));
    else this.#stake(-x, Math.max(above * (1 - chance), below * chance));
  }

  /**
   * Takes a call and its copy, which need no random assignment. `difference`: the canary's score less stable's, margin
   * included; at most `top` in either direction.
   */
  pair(difference: number): void {
    this.#stake(this.#rule.claim === 'worse' ? difference : -difference, this.#rule.top);
  }

  #stake(x: number, worst: number): void {
    this.#wealth.bet(x, worst);
    if (x > 0) this.#peak = Math.max(this.#peak, this.#wealth.value);
  }

  /** Ends a minute. If the stable role was unusual in it, the minute's winnings and its guesses are dropped. */
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
