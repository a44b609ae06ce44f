import { bestRho, boundApart, logOddsAbove, logOddsAimed } from './mixture.ts';

/** How a level wanders from minute to minute: its standard deviation and its correlation with the minute before. */
export interface Drift {
  readonly sigma: number;
  readonly phi: number;
}

/**
 * Collects evidence on the mean of block differences d whose level wanders as an AR(1) process. A Kalman filter turns
 * them into independent innovations, so that (S, V) is an exact Gaussian likelihood: S has the mean mu V and the
 * variance V, where mu is the true mean. In the long run V grows per minute by 1 / (sigma^2 (1 + phi) / (1 - phi) +
 * noise). At the start it grows faster, so that a test which restarts at every step can still finish quickly.
 */
export class LevelTest {
  #s = 0;
  #v = 0;
  /**
   * The filter's state: the expected deviation of the data, the same per unit of the mean, and its variance (null
   * before any data).
   */
  #deviation = 0;
  #signal = 0;
  #variance: number | null = null;

  get s(): number {
    return this.#s;
  }

  get v(): number {
    return this.#v;
  }

  /**
   * Takes a block: its difference `d`, the variance of its sampling noise, minutes since the last block, and the drift.
   */
  add(d: number, noise: number, minutes: number, { sigma, phi }: Drift): void {
    const whole = sigma * sigma;
    const carry = phi ** minutes;
    let variance = this.#variance === null ? whole : carry * carry * this.#variance + (1 - carry * carry) * whole;
    const deviation = this.#deviation * carry;
    const signal = this.#signal * carry;
    const total = variance + noise;
    const [surprise, weight] = [d - deviation, 1 - signal];
    this.#s += (weight * surprise) / total;
    this.#v += (weight * weight) / total;
    const gain = variance / total;
    variance *= 1 - gain;
    this.#variance = variance;
    this.#deviation = deviation + gain * surprise;
    this.#signal = signal + gain * weight;
  }

  /** Log odds that the mean is above 0; with `sign` -1: below 0. */
  logOdds(sign: 1 | -1, rho: number): number {
    return logOddsAbove(sign * this.#s, this.#v, rho);
  }

  /** The same, most sensitive if the mean is `aim` (> 0) above 0; with `sign` -1: below 0. */
  logOddsAimed(sign: 1 | -1, rho: number, aim: number): number {
    return logOddsAimed(sign * this.#s, this.#v, rho, aim);
  }

  /** The mean, with a range that contains the true mean at all times with a chance of 1 - alpha; null without data. */
  range(rho: number, alpha: number): { readonly mean: number; readonly low: number; readonly high: number } | null {
    if (this.#v === 0) return null;
    const mean = this.#s / this.#v;
    const half = boundApart(this.#v, rho, alpha) / this.#v;
    return { mean, low: mean - half, high: mean + half };
  }
}

/** The prior precision that is best for a decision after `minutes` blocks of one minute with this noise and drift. */
export function rhoAfter(minutes: number, noise: number, drift: Drift, alpha: number): number {
  const test = new LevelTest();
  for (let minute = 0; minute < minutes; minute++) test.add(0, noise, 1, drift);
  return bestRho(test.v, 2 * alpha);
}
