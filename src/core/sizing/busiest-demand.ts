import type { HistoryCall } from '../judge/profile.ts';

/** What an endpoint has to carry: the busiest five minutes of a history. Figures that the calls do not tell are null. */
export interface BusiestDemand {
  /** Calls looked at, and how many of them arrived in the busiest window. */
  readonly calls: number;
  readonly windowCalls: number;
  /** Calls in flight at once, on the average of the window, as long as serverless took for them (Little's law). */
  readonly inFlight: number;
  /** Tokens, prompt and answer, that nineteen of twenty calls stay within. */
  readonly tokens: number | null;
  /** Of the longest call. */
  readonly longest: number | null;
  readonly outputPerSecond: number | null;
}

const WINDOW_MS = 300_000;

/** Nothing was seen yet. */
export const NO_DEMAND: BusiestDemand = {
  calls: 0,
  windowCalls: 0,
  inFlight: 0,
  tokens: null,
  longest: null,
  outputPerSecond: null,
};

/** The demand of a history, whose calls may be in any order. */
export function busiestDemand(history: readonly HistoryCall[]): BusiestDemand {
  if (history.length === 0) return NO_DEMAND;
  const calls = history.toSorted((a, b) => a.arrivedAtUs - b.arrivedAtUs);
  const [from, to] = busiest(calls.map(({ arrivedAtUs }) => arrivedAtUs));
  const window = calls.slice(from, to);
  const answered = window.filter(({ outcome }) => outcome === 'ok');
  const seconds = WINDOW_MS / 1_000;
  const output = answered.flatMap(({ outputTokens }) => outputTokens ?? []);
  // Without a function to compare with, numbers are sorted several times as fast: a day may have 200,000 calls.
  const totals = Float64Array.from(
    calls.flatMap(({ promptTokens, outputTokens }) =>
      promptTokens === null ? [] : promptTokens + (outputTokens ?? 0),
    ),
  ).sort();
  // Answers that tell no tokens are taken to be like those that do.
  const told = output.length === 0 ? null : answered.length / output.length;
  return {
    calls: calls.length,
    windowCalls: window.length,
    inFlight: sum(answered.map(({ durationUs }) => durationUs)) / 1e6 / seconds,
    tokens: totals[Math.floor(totals.length * 0.95)] ?? null,
    longest: totals.at(-1) ?? null,
    outputPerSecond: told === null ? null : (sum(output) * told) / seconds,
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
