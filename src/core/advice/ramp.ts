import { MINUTE_MS } from '../time.ts';
import { inWindow, WINDOW_MS, windowsOf } from './demand.ts';
import type { Demand } from './demand.ts';

/** What a slower start of the agents would make of the fullest window. */
export interface Ramp {
  readonly atPeak: number;
  /** Agents of the fullest window that started within it. */
  readonly started: number;
  /** Calls of the five minutes after it; null where they are not over. */
  readonly after: number | null;
  /** Whether starts made it: at least half of its agents began in it, and what came after was within the limit. */
  readonly isCause: boolean;
  /** The shortest ramp that keeps within the limit, else the best that was tried. Null where none would help. */
  readonly minutes: number | null;
  /** The fullest window then. */
  readonly peak: number;
}

const MINUTES = [2, 5, 10, 15, 20, 30, 45, 60];
const CAUSE = 0.5;

/**
 * Looks whether starts made the window that ends at a time, and at which ramp it would have stayed within a limit.
 * `refused`: the share from which demand is thought to be held back, so that there is more of it than can be seen.
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

/** When the calls would come if no agent started within `gapMs` of another: all that an agent does is put off alike. */
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
