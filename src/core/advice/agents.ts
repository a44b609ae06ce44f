import { inWindow } from './demand.ts';
import type { Demand } from './demand.ts';

/** How many agents fewer, or how many calls each, would keep the fullest windows within the limit. */
export interface FewerAgents {
  /** Agents in the fullest window. */
  readonly atPeak: number;
  /** This many agents fewer are enough if the others make the average number of calls. */
  readonly fewer: number;
  /** This many agents fewer are enough if they are the busiest. */
  readonly busiest: number;
  /** At most this many calls of each agent in five minutes; null if even one call each is too much. */
  readonly cap: number | null;
}

/** The figures that are enough for all windows that end at `ends`, the fullest first. */
export function fewerAgents(demand: Demand, ends: readonly number[], limit: number): FewerAgents {
  let [atPeak, fewer, busiest] = [0, 0, 0];
  let cap: number = Number.POSITIVE_INFINITY;
  ends.forEach((endMs, i) => {
    const counts = countsIn(demand, endMs);
    const calls = counts.reduce((sum, count) => sum + count, 0);
    if (i === 0) atPeak = counts.length;
    fewer = Math.max(fewer, counts.length - Math.floor((counts.length * limit) / Math.max(calls, limit, 1)));
    busiest = Math.max(busiest, busiestOf(counts, calls - limit));
    cap = Math.min(cap, capOf(counts, limit));
  });
  return { atPeak, fewer: Math.min(fewer, atPeak), busiest, cap: cap >= 1 && Number.isFinite(cap) ? cap : null };
}

/** How many calls each agent has in a window, the largest count first. */
function countsIn({ atMs, agentOf }: Demand, endMs: number): number[] {
  const counts = new Map<number, number>();
  for (const place of inWindow(atMs, endMs)) {
    const agent = agentOf[place] as number;
    counts.set(agent, (counts.get(agent) ?? 0) + 1);
  }
  return [...counts.values()].sort((a, b) => b - a);
}

function busiestOf(counts: readonly number[], excess: number): number {
  let [taken, left] = [0, excess];
  for (; left > 0 && taken < counts.length; taken++) left -= counts[taken] as number;
  return taken;
}

/** The most calls that each agent may make so that all together stay within the limit. `counts`: the largest first. */
export function capOf(counts: readonly number[], limit: number): number {
  let rest = counts.reduce((sum, count) => sum + count, 0);
  if (rest <= limit) return Number.POSITIVE_INFINITY;
  for (const [i, count] of counts.entries()) {
    rest -= count;
    // The first i + 1 agents are limited to the cap; the others make fewer calls than that.
    const cap = Math.floor((limit - rest) / (i + 1));
    if (cap >= (counts[i + 1] ?? 0)) return Math.max(0, cap);
  }
  return 0;
}
