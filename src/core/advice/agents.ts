import { inWindow } from './demand.ts';
import type { Demand } from './demand.ts';

/** How much less the agents would have to ask for to stay within the limit in its fullest windows. */
export interface FewerAgents {
  /** In the fullest window. */
  readonly atPeak: number;
  /** So many of them fewer, if those that stay ask for as much as the average. */
  readonly fewer: number;
  /** So many of the busiest would be enough. */
  readonly busiest: number;
  /** Calls per agent in five minutes at most; null where one each is too much. */
  readonly cap: number | null;
}

/** What holds for all of the windows that end at these times, the fullest first. */
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

/** How many calls each agent has in a window, the most first. */
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

/** The most that each may ask for so that all together stay within the limit; `counts`: the most first. */
export function capOf(counts: readonly number[], limit: number): number {
  let rest = counts.reduce((sum, count) => sum + count, 0);
  if (rest <= limit) return Number.POSITIVE_INFINITY;
  for (const [i, count] of counts.entries()) {
    rest -= count;
    // The first i + 1 are cut down to the same, the others ask for less than that.
    const cap = Math.floor((limit - rest) / (i + 1));
    if (cap >= (counts[i + 1] ?? 0)) return Math.max(0, cap);
  }
  return 0;
}
