import { STAKES } from '../stats/wealth.ts';

/** The logarithm of what each stake has become. */
export function noGrowth(): Float64Array {
  return new Float64Array(STAKES.length);
}

/** Adds the mean growth of so many calls, if both roles have the share `usual` and the endpoint must be within the margin. */
export function grow(logs: Float64Array, calls: number, weight: number, usual: number, margin: number): void {
  const guess = usual + (1 - weight) * margin;
  const worst = Math.max((1 + margin - guess) * (1 - weight), guess * weight);
  for (let i = 0; i < logs.length; i++) {
    const gain = (score: number, surprise: number) =>
      Math.log1p(((STAKES[i] as number) * -(score - guess) * surprise) / worst);
    const canary = usual * gain(1, 1 - weight) + (1 - usual) * gain(0, 1 - weight);
    const stable = usual * gain(1 + margin, -weight) + (1 - usual) * gain(margin, -weight);
    logs[i] = (logs[i] as number) + calls * (weight * canary + (1 - weight) * stable);
  }
}

/** The same for pairs; either half of a pair may score 1. */
export function growByPairs(logs: Float64Array, pairs: number, usual: number, margin: number): void {
  const one = usual * (1 - usual);
  for (let i = 0; i < logs.length; i++) {
    const gain = (difference: number) => Math.log1p(((STAKES[i] as number) * (margin - difference)) / (1 + margin));
    logs[i] = (logs[i] as number) + pairs * (one * gain(1) + one * gain(-1) + (1 - 2 * one) * gain(0));
  }
}

/** The logarithm of the odds that all stakes have reached together. */
export function meanOf(logs: Float64Array): number {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
}

const MOST_CALLS = 2 ** 40;

/** How many calls of both roles show, in the median, that an equal endpoint is within the margin, at these odds. */
export function callsNeeded(
  usual: number,
  margin: number,
  { weight, odds }: { readonly weight: number; readonly odds: number },
): number {
  const each = noGrowth();
  grow(each, 1, weight, usual, margin);
  const suffices = (calls: number) => meanOf(each.map((log) => log * calls)) >= Math.log(odds);
  let high = 1;
  while (!suffices(high) && high < MOST_CALLS) high *= 2;
  let low = high / 2;
  while (high - low > low / 64) {
    const middle = (low + high) / 2;
    if (suffices(middle)) high = middle;
    else low = middle;
  }
  return Math.ceil(high);
}
