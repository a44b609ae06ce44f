import { MINUTE_MS } from '../time.ts';
import type { SecondsOfDemand } from './demand.ts';

/** The fullest window if the calls of every span of `overMs` were spread evenly over it. */
export interface Spread {
  readonly overMs: number;
  /** Calls in the fullest window. */
  readonly fullest: number;
}

const SPANS_MS = [10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_440].map(
  (minutes) => minutes * MINUTE_MS,
);

/**
 * The fullest window after spreading, for spans longer than the window and not longer than the log. The longer the
 * span, the emptier the window, with small exceptions.
 */
export function spreadsOf({ calls, windowSeconds }: SecondsOfDemand): Spread[] {
  const before = new Float64Array(calls.length + 1);
  for (let second = 0; second < calls.length; second++) {
    before[second + 1] = (before[second] as number) + (calls[second] as number);
  }
  return SPANS_MS.filter((ms) => ms > windowSeconds * 1_000 && ms <= calls.length * 1_000).map((overMs) => {
    const seconds = overMs / 1_000;
    let most = 0;
    for (let end = seconds; end < before.length; end++) {
      most = Math.max(most, (before[end] as number) - (before[end - seconds] as number));
    }
    return { overMs, fullest: (most * windowSeconds) / seconds };
  });
}

/** The shortest spreading that keeps within a limit; null if none does. */
export function spreadWithin(spreads: readonly Spread[], limit: number): Spread | null {
  return spreads.find(({ fullest }) => fullest <= limit) ?? null;
}
