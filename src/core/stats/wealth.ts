/** The shares of the largest safe stake; one bet is made with each. */
export const STAKES = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9] as const;

/** Wealth beyond this is dropped, so that figures stay finite, and wealth falls again soon after bets begin to lose. */
const LIMIT = 1e12;

/**
 * Half is staked at the start. The k-th restart gets (1/2) HORIZON / ((HORIZON + k - 1) (HORIZON + k)); all restarts
 * together get the other half.
 */
const HORIZON = 30;

/**
 * The wealth that one unit becomes by bets, on a grid of stakes, on outcomes whose mean is at most 0 under the null
 * hypothesis. Its expectation is then at most one unit, so that it ever reaches 1/alpha with a chance of at most alpha
 * (Ville's inequality). Part of the unit can be kept back for bets that start later, because bets that lost for an hour
 * have too little left to win with.
 */
export class Wealth {
  readonly #parts = new Float64Array(STAKES.length);
  #idle: number;
  #restarts = 0;

  constructor({ canRestart }: { readonly canRestart: boolean }) {
    this.#idle = canRestart ? 0.5 : 0;
    this.#parts.fill((1 - this.#idle) / STAKES.length);
  }

  get value(): number {
    let sum = this.#idle;
    for (const part of this.#parts) sum += part;
    return sum;
  }

  /** Bets on `x`, whose mean is at most 0 under the null hypothesis and which is never below `-worst` (> 0). */
  bet(x: number, worst: number): void {
    const parts = this.#parts;
    const ratio = x / worst;
    for (let i = 0; i < parts.length; i++) {
      parts[i] = Math.min(LIMIT, (parts[i] as number) * (1 + (STAKES[i] as number) * ratio));
    }
  }

  /** Starts new bets with some of what was kept back. */
  restart(): void {
    if (this.#idle === 0) return;
    const left = (0.5 * HORIZON) / (HORIZON + ++this.#restarts);
    const share = (this.#idle - left) / STAKES.length;
    this.#idle = left;
    for (let i = 0; i < STAKES.length; i++) this.#parts[i] = (this.#parts[i] as number) + share;
  }

  /** Copies the state of another wealth. */
  become(other: Wealth): void {
    this.#parts.set(other.#parts);
    this.#idle = other.#idle;
    this.#restarts = other.#restarts;
  }
}
