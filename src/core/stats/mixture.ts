import { logNormalCdf } from './normal.ts';

/**
 * Sequential tests of a sum S whose variance is V under the null hypothesis, averaged over effects with a normal prior
 * of precision `rho` (Howard, Ramdas, McAuliffe, Sekhon: Time-uniform Chernoff bounds; `confseq`). The result is the
 * logarithm of odds: under the null hypothesis these ever reach 1/alpha with a chance of at most alpha.
 */

/** The `rho` for which the two-sided bound at `alpha` is tightest when V is `v`. One-sided tests pass `2 * alpha`. */
export function bestRho(v: number, alpha: number): number {
  const log = -2 * Math.log(alpha);
  return v / (log + Math.log1p(log));
}

/** Log odds against a mean of 0 or less, with a half-normal prior on positive effects. */
export function logOddsAbove(s: number, v: number, rho: number): number {
  const total = v + rho;
  return 0.5 * Math.log((4 * rho) / total) + (s * s) / (2 * total) + logNormalCdf(s / Math.sqrt(total));
}

/** Log odds against a mean of 0, two-sided. */
export function logOddsApart(s: number, v: number, rho: number): number {
  return 0.5 * Math.log(rho / (v + rho)) + (s * s) / (2 * (v + rho));
}

/** How far |S| must be from 0 at V for the two-sided odds to reach 1/alpha. */
export function boundApart(v: number, rho: number, alpha: number): number {
  return Math.sqrt((v + rho) * Math.log((v + rho) / (rho * alpha * alpha)));
}

/**
 * Log odds against a mean of 0 or less. Half of the stake is on an effect of exactly `aim` (> 0), so that such an
 * effect is found in the least time; the other half is on all positive effects.
 */
export function logOddsAimed(s: number, v: number, rho: number, aim: number): number {
  const [any, aimed] = [logOddsAbove(s, v, rho), aim * s - (aim * aim * v) / 2];
  const most = Math.max(any, aimed);
  return most + Math.log((Math.exp(any - most) + Math.exp(aimed - most)) / 2);
}
