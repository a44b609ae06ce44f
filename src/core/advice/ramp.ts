import type { Demand } from './demand.ts';
import { inWindow, windowsOf } from './demand.ts';

/** What a slower start of the agents would make of the fullest window. */
export interface Ramp {
  readonly atPeak: number;
  /** Agents of the fullest window that started within it. */
  readonly started: number;
  /** Whether it was made by starts: of at least half of its agents. */
  readonly isCause: boolean;
  /** Calls of the last five minutes that were looked at: what goes on is there after any ramp. */
  readonly goesOn: number;
  /** The shortest ramp that keeps within the limit, else the best that was tried. Null where none would help. */
  readonly minutes: number | null;
  /** The fullest window then. */
  readonly peak: number;
}

const MINUTES = [2, 5, 10, 15, 20, 30, 45, 60];
const CAUSE = 0.5;

/** Looks whether starts made the window that ends at a time, and at which ramp it would have stayed within a limit. */
export function rampOf(demand: Demand, endMs: number, limit: number): Ramp {
  const agents = new Set<number>();
  const started = new Set<number>();
  for (const place of inWindow(demand.atMs, endMs)) {
    agents.add(demand.agentOf[place] as number);
    if (demand.isStart[place] === true) started.add(demand.agentOf[place] as number);
  }
  const before = windowsOf(demand.atMs, limit).peak;
  const goesOn = [...inWindow(demand.atMs, demand.untilMs)].length;
  const isCause = started.size >= 2 && started.size >= CAUSE * agents.size;
  const seen = { atPeak: agents.size, started: started.size, isCause, goesOn };
  if (!isCause || goesOn > limit) return { ...seen, minutes: null, peak: before };
  let best: { minutes: number | null; peak: number } = { minutes: null, peak: before };
  for (const minutes of MINUTES) {
    const { peak } = windowsOf(ramped(demand, (minutes * 60_000) / started.size), limit);
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
