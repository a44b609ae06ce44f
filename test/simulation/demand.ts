import type { Arrival } from '../../src/core/trace.ts';

/** Per second of the trace: whether both figures of a five-minute window are beyond their limits. */
export interface DemandCheck {
  /** Longest unbroken stretch, in seconds, with more than 2,000 calls and more than 5 % refused in 5 minutes. */
  readonly longestS: number;
  /** Second at which that stretch begins. */
  readonly fromS: number;
  readonly refused: number;
}

const WINDOW_S = 300;
const REPEAT_AFTER_MS = 2_500;

/**
 * Plays a trace against a limit of calls per fixed window without any network: which first attempts are refused when
 * each refused call is repeated twice, 2.5 s later. `offsetMs` is how long the router had been up when the trace began.
 */
export function checkDemand(trace: readonly Arrival[], limit: number, offsetMs: number): DemandCheck {
  const seconds = Math.ceil((trace.at(-1)?.atMs ?? 0) / 1000) + 1;
  const calls = new Float64Array(seconds);
  const refused = new Float64Array(seconds);
  const repeats: { atMs: number; left: number }[] = [];
  let [windowNumber, taken, next] = [-1, 0, 0];
  const isTaken = (atMs: number) => {
    const number = Math.floor((atMs + offsetMs) / (WINDOW_S * 1000));
    if (number !== windowNumber) taken = 0;
    windowNumber = number;
    taken += 1;
    return taken <= limit;
  };
  for (const { atMs } of trace) {
    for (let waiting = repeats[next]; waiting && waiting.atMs <= atMs; waiting = repeats[next]) {
      next += 1;
      if (!isTaken(waiting.atMs) && waiting.left > 0) {
        repeats.push({ atMs: waiting.atMs + REPEAT_AFTER_MS, left: waiting.left - 1 });
      }
    }
    const second = Math.floor(atMs / 1000);
    calls[second] = (calls[second] ?? 0) + 1;
    if (isTaken(atMs)) continue;
    refused[second] = (refused[second] ?? 0) + 1;
    repeats.push({ atMs: atMs + REPEAT_AFTER_MS, left: 1 });
  }
  return { ...longestStretch(calls, refused), refused: refused.reduce((sum, each) => sum + each, 0) };
}

function longestStretch(calls: Float64Array, refused: Float64Array): { longestS: number; fromS: number } {
  let [inWindow, refusedInWindow, run, longestS, fromS] = [0, 0, 0, 0, 0];
  for (let second = 0; second < calls.length; second += 1) {
    inWindow += (calls[second] ?? 0) - (calls[second - WINDOW_S] ?? 0);
    refusedInWindow += (refused[second] ?? 0) - (refused[second - WINDOW_S] ?? 0);
    run = inWindow > 2000 && refusedInWindow > 0.05 * inWindow ? run + 1 : 0;
    if (run > longestS) [longestS, fromS] = [run, second - run + 1];
  }
  return { longestS, fromS };
}
