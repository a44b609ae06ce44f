import { bestRho, boundApart, logOddsAbove, logOddsAimed } from './mixture.ts';

/** How a level wanders from minute to minute: its standard deviation and its correlation with the minute before. */
export interface Drift {
  readonly sigma: number;
  readonly phi: number;
}

/**
 * Collects evidence on the mean of block differences d whose level wanders as an AR(1) process. A Kalman filter turns
 * them into independent innovations, so that (S, V) is an exact Gaussian likelihood: S has the mean mu V and the variance
 * V, where mu is the true mean. In the long run V grows per minute by 1 / (sigma^2 (1 + phi) / (1 - phi) + noise); from
 * the start on it grows faster, which a test restarted at every step lives on.
 */
export class LevelTest {
  #s = 0;
  #v = 0;
  /** Expected deviation: of the data, and per unit of the mean; and the deviation's variance, null before any data. */
  #deviation = 0;
  #signal = 0;
  #variance: number | null = null;

  get s(): number {
    return this.#s;
  }

  get v(): number {
    return this.#v;
  }

  /** One block: `d`, the variance of its sampling noise, minutes since the last one, and the drift of the level. */
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

  /** Log odds that the mean is above 0, or, with `sign` -1, below. */
  logOdds(sign: 1 | -1, rho: number): number {
    return logOddsAbove(sign * this.#s, this.#v, rho);
  }

  /** The same where the mean is hoped to be about `aim` (> 0) above 0, or below. */
  logOddsAimed(sign: 1 | -1, rho: number, aim: number): number {
    return logOddsAimed(sign * this.#s, this.#v, rho, aim);
  }

  /** The mean and a range that holds at all times at once with a chance of 1 - alpha; null without data. */
  range(rho: number, alpha: number): { readonly mean: number; readonly low: number; readonly high: number } | null {
    if (this.#v === 0) return null;
    const mean = this.#s / this.#v;
    const half = boundApart(this.#v, rho, alpha) / this.#v;
    return { mean, low: mean - half, high: mean + half };
  }
}

/** The prior that suits a decision after so many minutes of blocks with such noise. */
export function rhoAfter(minutes: number, noise: number, drift: Drift, alpha: number): number {
  const test = new LevelTest();
  for (let minute = 0; minute < minutes; minute++) test.add(0, noise, 1, drift);
  return bestRho(test.v, 2 * alpha);
}
