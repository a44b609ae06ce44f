import type { Drift } from '../stats/level.ts';
import { MINUTE_US } from '../time.ts';

/** The least drift: no real level is steadier, and one that seems so was not observed for long enough. */
const LEAST: Drift = { sigma: 0.03, phi: 0.8 };
/** The drift if there is no history: that of a noisy shared service. */
const UNKNOWN: Drift = { sigma: 0.1, phi: 0.9 };
const MOST_PHI = 0.98;
/** With less history than this the upper ends of 80 % ranges are used. */
const LONG_MINUTES = 360;
const FEW_MINUTES = 20;
/** The lags that the decay of the autocovariance is fitted to, minutes. */
const LAGS = 12;
const MINUTE_CALLS = 5;
/** Upper end of a one-sided 80 % range, in standard deviations. */
const UPPER = 0.8416;

/**
 * Single scores are limited to twice the spread without history times this, because outliers say nothing about the
 * level.
 */
const CLIP = 1;

/**
 * Learns how the level of log scores wanders from minute to minute. It fits an exponential decay to the autocovariances
 * of the minute means; the sampling variance is first subtracted from the one at lag 0. `spread` is the standard
 * deviation of single calls within minutes.
 */
export function learnDrift(
  scores: readonly { readonly arrivedAtUs: number; readonly z: number }[],
  unknownSpread: number,
): { readonly spread: number; readonly drift: Drift } {
  const minutes = byMinute(scores, 2 * unknownSpread * CLIP);
  const counted = minutes.reduce((sum, { n }) => sum + n - 1, 0);
  if (counted < FEW_MINUTES) return { spread: unknownSpread, drift: UNKNOWN };
  // Rounding can make the sum of squares of equal scores a little less than 0.
  const within = Math.max(0, minutes.reduce((sum, { squares }) => sum + squares, 0) / counted);
  const spread = Math.max(0.05, Math.sqrt(within));
  if (minutes.length < FEW_MINUTES) return { spread, drift: UNKNOWN };

  const covariances = covary(minutes);
  covariances[0] = (covariances[0] as number) - within * meanOf(minutes, ({ n }) => 1 / n);
  // Autocovariances about an estimated mean are too small at every lag, by the variance of that mean.
  const first = fitDecay(covariances);
  const lost = (first.variance * (1 + first.phi)) / (1 - first.phi) / minutes.length;
  const { variance, phi } = fitDecay(covariances.map((covariance) => covariance + lost));
  return { spread, drift: cautious(variance, phi, minutes.length) };
}

/** Autocovariances of the minute means at lags of 0 to `LAGS` minutes. */
function covary(minutes: readonly Minute[]): number[] {
  const mean = meanOf(minutes, (minute) => minute.mean);
  const means = new Map(minutes.map((minute) => [minute.minute, minute.mean - mean]));
  return Array.from({ length: LAGS + 1 }, (_, lag) => {
    let [sum, pairs] = [0, 0];
    for (const [minute, deviation] of means) {
      const later = means.get(minute + lag);
      if (later === undefined) continue;
      sum += deviation * later;
      pairs++;
    }
    return pairs === 0 ? 0 : sum / pairs;
  });
}

/** The variance and phi whose autocovariances `variance * phi^lag` fit best. All lags are steadier than lag 1 alone. */
function fitDecay(covariances: readonly number[]): { readonly variance: number; readonly phi: number } {
  let best = { variance: 1e-9, phi: 0, error: Number.POSITIVE_INFINITY };
  for (let step = 0; step <= 196; step++) {
    const phi = (step / 196) * MOST_PHI;
    let [product, squares] = [0, 0];
    covariances.forEach((covariance, lag) => {
      product += covariance * phi ** lag;
      squares += phi ** (2 * lag);
    });
    const variance = Math.max(1e-9, product / squares);
    const error = covariances.reduce((sum, covariance, lag) => sum + (covariance - variance * phi ** lag) ** 2, 0);
    if (error < best.error) best = { variance, phi, error };
  }
  return best;
}

function meanOf(minutes: readonly Minute[], read: (minute: Minute) => number): number {
  return minutes.reduce((sum, minute) => sum + read(minute), 0) / minutes.length;
}

function cautious(variance: number, phi: number, minutes: number): Drift {
  if (minutes >= LONG_MINUTES) return floored(variance, phi);
  const upperPhi = Math.min(MOST_PHI, phi + UPPER * Math.sqrt((1 - phi * phi) / minutes));
  const free = Math.max(2, (minutes * (1 - phi)) / (1 + phi));
  // Lower 20 % point of chi-square over its degrees of freedom (Wilson and Hilferty).
  const low = (1 - 2 / (9 * free) - UPPER * Math.sqrt(2 / (9 * free))) ** 3;
  return floored(variance / Math.max(0.1, low), upperPhi);
}

/**
 * The correlation of a tiny variance is noise, so that only the long-run variance that the two give together is kept.
 */
function floored(variance: number, phi: number): Drift {
  const sigma = Math.sqrt(variance);
  if (sigma >= LEAST.sigma) return { sigma, phi: clamp(phi, LEAST.phi, MOST_PHI) };
  const ratio = ((variance / LEAST.sigma ** 2) * (1 + phi)) / (1 - phi);
  return { sigma: LEAST.sigma, phi: clamp((ratio - 1) / (ratio + 1), LEAST.phi, MOST_PHI) };
}

interface Minute {
  readonly minute: number;
  readonly n: number;
  readonly mean: number;
  /** Sum of squared deviations from the mean. */
  readonly squares: number;
}

/** The minutes with at least `MINUTE_CALLS` calls. `scores` are in order of arrival. */
function byMinute(scores: readonly { readonly arrivedAtUs: number; readonly z: number }[], clip: number): Minute[] {
  const minutes: Minute[] = [];
  let [minute, n, sum, squares] = [-1, 0, 0, 0];
  const close = () => {
    if (n >= MINUTE_CALLS) minutes.push({ minute, n, mean: sum / n, squares: squares - (sum * sum) / n });
  };
  for (const { arrivedAtUs, z } of scores) {
    const now = Math.floor(arrivedAtUs / MINUTE_US);
    if (now !== minute) {
      close();
      [minute, n, sum, squares] = [now, 0, 0, 0];
    }
    const clipped = clamp(z, -clip, clip);
    n++;
    sum += clipped;
    squares += clipped * clipped;
  }
  close();
  return minutes;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
