import type { Wobble } from './stats/level.ts';

/** Floors: nobody's level stands stiller, and what looks stiller was not watched long enough. */
const LEAST: Wobble = { sigma: 0.03, phi: 0.8 };
/** Without history: a noisy shared service. */
const UNKNOWN: Wobble = { sigma: 0.1, phi: 0.9 };
const MOST_PHI = 0.98;
/** Below six hours the upper ends of 80 % ranges count. */
const LONG_MINUTES = 360;
const FEW_MINUTES = 20;
const MINUTE_CALLS = 5;
/** Upper end of a one-sided 80 % range, in standard deviations. */
const UPPER = 0.8416;

const MINUTE_US = 60e6;
/** Single calls beyond this say nothing of the level. */
const CLIP = 1;

/**
 * How the level of log scores wanders by minutes: its variance is what the minute means vary beyond what sampling
 * explains, its correlation their lag-1 autocovariance over that. `spread` is the deviation of single calls within
 * minutes.
 */
export function learnWobble(
  scores: readonly { readonly arrivedAtUs: number; readonly z: number }[],
  unknownSpread: number,
): { readonly spread: number; readonly wobble: Wobble } {
  const minutes = byMinute(scores, 2 * unknownSpread * CLIP);
  const counted = minutes.reduce((sum, { n }) => sum + n - 1, 0);
  if (counted < FEW_MINUTES) return { spread: unknownSpread, wobble: UNKNOWN };
  const within = minutes.reduce((sum, { squares }) => sum + squares, 0) / counted;
  const spread = Math.max(0.05, Math.sqrt(within));
  if (minutes.length < FEW_MINUTES) return { spread, wobble: UNKNOWN };

  const mean = minutes.reduce((sum, minute) => sum + minute.mean, 0) / minutes.length;
  let [variance, product, pairs] = [0, 0, 0];
  minutes.forEach((minute, i) => {
    variance += ((minute.mean - mean) ** 2 - within / minute.n) / minutes.length;
    const before = minutes[i - 1];
    if (before === undefined || before.minute !== minute.minute - 1) return;
    product += (minute.mean - mean) * (before.mean - mean);
    pairs++;
  });
  variance = Math.max(variance, 1e-9);
  const phi = pairs === 0 ? UNKNOWN.phi : clamp(product / pairs / variance, 0, MOST_PHI);
  return { spread, wobble: cautious(variance, phi, minutes.length) };
}

function cautious(variance: number, phi: number, minutes: number): Wobble {
  if (minutes >= LONG_MINUTES) return floored(variance, phi);
  const upperPhi = Math.min(MOST_PHI, phi + UPPER * Math.sqrt((1 - phi * phi) / minutes));
  const free = Math.max(2, (minutes * (1 - phi)) / (1 + phi));
  // Lower 20 % point of chi-square over its degrees of freedom (Wilson and Hilferty).
  const low = (1 - 2 / (9 * free) - UPPER * Math.sqrt(2 / (9 * free))) ** 3;
  return floored(variance / Math.max(0.1, low), upperPhi);
}

/** The correlation of a tiny variance is noise: only the long-run variance of the two is kept. */
function floored(variance: number, phi: number): Wobble {
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

/** Minutes with enough calls. `scores` are in order of arrival. */
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
