import type { HistoryCall } from '../judge/profile.ts';

/**
 * The demand that an endpoint must carry: the busiest five minutes of a history. A figure is null if the calls do not
 * have it.
 */
export interface BusiestDemand {
  /** Calls of the history, and how many of them arrived in the busiest window (`windowCalls`). */
  readonly calls: number;
  readonly windowCalls: number;
  /** Mean calls in flight in the window, by the time that serverless took for them (Little's law). */
  readonly inFlight: number;
  /** Tokens of prompt and answer together: the 95th percentile of the calls. */
  readonly tokens: number | null;
  /** Tokens of the longest call. */
  readonly longest: number | null;
  readonly outputPerSecond: number | null;
}

const WINDOW_MS = 300_000;

/** The demand of a history without calls. */
export const NO_DEMAND: BusiestDemand = {
  calls: 0,
  windowCalls: 0,
  inFlight: 0,
  tokens: null,
  longest: null,
  outputPerSecond: null,
};

/** The busiest demand of a history. Its calls may be in any order. */
export function busiestDemand(history: readonly HistoryCall[]): BusiestDemand {
  if (history.length === 0) return NO_DEMAND;
  const calls = history.toSorted((a, b) => a.arrivedAtUs - b.arrivedAtUs);
  const [from, to] = busiest(calls.map(({ arrivedAtUs }) => arrivedAtUs));
  const window = calls.slice(from, to);
  const answered = window.filter(({ outcome }) => outcome === 'ok');
  const seconds = WINDOW_MS / 1_000;
  const output = answered.flatMap(({ outputTokens }) => outputTokens ?? []);
  // A typed array without a comparator sorts several times as fast, and a day may have 200,000 calls.
  const totals = Float64Array.from(
    calls.flatMap(({ promptTokens, outputTokens }) =>
      promptTokens === null ? [] : promptTokens + (outputTokens ?? 0),
    ),
  ).sort();
  // Answers without a token count are assumed to have the mean of the others.
  const perReported = output.length === 0 ? null : answered.length / output.length;
  return {
    calls: calls.length,
    windowCalls: window.length,
    inFlight: sum(answered.map(({ durationUs }) => durationUs)) / 1e6 / seconds,
    tokens: totals[Math.floor(totals.length * 0.95)] ?? null,
    longest: totals.at(-1) ?? null,
    outputPerSecond: perReported === null ? null : (sum(output) * perReported) / seconds,
  };
}

function busiest(arrivals: readonly number[]): [number, number] {
  let [best, from, start] = [0, 0, 0];
  arrivals.forEach((at, i) => {
    while ((arrivals[start] as number) <= at - WINDOW_MS * 1_000) start++;
    if (i - start + 1 > best) [best, from] = [i - start + 1, start];
  });
  return [from, from + best];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
