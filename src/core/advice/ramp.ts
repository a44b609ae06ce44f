import { MINUTE_MS } from '../time.ts';
import { inWindow, WINDOW_MS, windowsOf } from './demand.ts';
import type { Demand } from './demand.ts';

/** The effect of a slower start of the agents on the fullest window. */
export interface Ramp {
  /** Agents in the fullest window. */
  readonly atPeak: number;
  /** Agents of the fullest window that started within it. */
  readonly started: number;
  /** Calls in the five minutes after it; null if these are not over. */
  readonly after: number | null;
  /**
   * Whether starts caused it: at least half of its agents started in it, and the demand after it was within the limit.
   */
  readonly isCause: boolean;
  /** The shortest ramp that keeps within the limit, else the best one that was tried; null if none would help. */
  readonly minutes: number | null;
  /** Calls in the fullest window with that ramp. */
  readonly peak: number;
}

const MINUTES = [2, 5, 10, 15, 20, 30, 45, 60];
const CAUSE = 0.5;

/**
 * Finds whether starts caused the window that ends at `endMs`, and with which ramp it would have stayed within `limit`.
 * `refused`: if more than this share of the calls is refused, true demand is assumed to be larger than the calls show.
 */
export function rampOf(
  demand: Demand,
  endMs: number,
  { limit, refused }: { readonly limit: number; readonly refused: number },
): Ramp {
  const agents = new Set<number>();
  const started = new Set<number>();
  for (const place of inWindow(demand.atMs, endMs)) {
    agents.add(demand.agentOf[place] as number);
    if (demand.isStart[place] === true) started.add(demand.agentOf[place] as number);
  }
  const before = windowsOf(demand.atMs, limit).peak;
  const later = [...inWindow(demand.atMs, endMs + WINDOW_MS)];
  const heldBack = later.filter((place) => demand.isRefused[place]).length;
  const settles = endMs + WINDOW_MS <= demand.untilMs && later.length <= limit && heldBack <= refused * later.length;
  const isCause = settles && started.size >= 2 && started.size >= CAUSE * agents.size;
  const after = endMs + WINDOW_MS <= demand.untilMs ? later.length : null;
  const seen = { atPeak: agents.size, started: started.size, after, isCause };
  if (!isCause) return { ...seen, minutes: null, peak: before };
  let best: { minutes: number | null; peak: number } = { minutes: null, peak: before };
  for (const minutes of MINUTES) {
    const { peak } = windowsOf(ramped(demand, (minutes * MINUTE_MS) / started.size), limit);
    if (peak < best.peak) best = { minutes, peak };
    if (peak <= limit) break;
  }
  return { ...seen, ...best };
}

/**
 * When the calls would arrive if no agent started within `gapMs` of another. All calls of an agent are delayed by the
 * same time as its start.
 */
export function ramped({ atMs, agentOf, isStart, agents }: Demand, gapMs: number): number[] {
  const putOffMs = new Float64Array(agents.length);
  let lastMs = Number.NEGATIVE_INFINITY;
  return atMs.map((at, i) => {
    const agent = agentOf[i] as number;
    if (isStart[i] === true) {
      lastMs = Math.max(at, lastMs + gapMs);
      putOffMs[agent] = lastMs - at;
    }
    return at + (putOffMs[agent] as number);
  });
}
