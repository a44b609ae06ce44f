import type { Yardstick } from '../advice/advice.ts';
import type { CriteriaPolicy } from '../policy/criteria.ts';
import { MINUTE_MS } from '../time.ts';
import { aboveShare, daysOf, fullest, secondsOf, timelineOf } from './demand.ts';
import type { DayOfUsage, Moment, SecondsOfDemand, UsageSpan } from './demand.ts';
import { inFlightOf } from './flight.ts';
import type { InFlight } from './flight.ts';
import type { UsageLog } from './log.ts';
import { spreadsOf, spreadWithin } from './smoothing.ts';
import type { Spread } from './smoothing.ts';

/** One agent's calls. `share` is of all calls of the span; `peakShare` is of those in the fullest windows. */
export interface AgentUsage {
  readonly agent: string;
  readonly calls: number;
  readonly share: number;
  readonly peakShare: number;
  readonly refused: number;
  readonly tokens: number;
}

/** One of the fullest windows. */
export interface Peak {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly calls: number;
  readonly agents: number;
  readonly refusedShare: number;
  /** The agents with the most calls in it. */
  readonly busiest: readonly { readonly agent: string; readonly share: number }[];
}

/** The effect of smoothing the peaks, in calls per window. `limit`: what serverless probably takes. */
interface Smoothing {
  readonly limit: Yardstick;
  /** Share of the time in which the window held more calls than the limit. */
  readonly aboveShare: number;
  /** The fullest window over the mean window. */
  readonly peakToMean: number;
  readonly spreads: readonly Spread[];
  /**
   * The shortest spreading that is within the limit, and within the policy's criterion `calls`; null if there is none.
   */
  readonly withinLimit: Spread | null;
  readonly belowCriteria: Spread | null;
}

/** The policy's criteria that usage is compared with. */
type UsageCriteria = Pick<CriteriaPolicy, 'calls' | 'refused'>;

/** How a route is used, when and by whom. Times in epoch ms, shares 0..1. */
export interface Usage {
  readonly model: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly windowMs: number;
  /** The policy's criteria: calls per window, share refused. */
  readonly criteria: UsageCriteria;
  readonly calls: number;
  readonly agents: number;
  readonly refused: number;
  readonly refusedShare: number;
  /** Calls per window. */
  readonly mean: number;
  readonly peak: number;
  /** The span in sixty equal parts: the fullest window of each. */
  readonly timeline: readonly number[];
  readonly days: readonly DayOfUsage[];
  readonly peaks: readonly Peak[];
  /** The busiest in the peaks first. */
  readonly busiest: readonly AgentUsage[];
  readonly inFlight: { readonly all: InFlight; readonly serverless: InFlight; readonly dedicated: InFlight };
  /** A call's tokens count in the minute in which it ended. */
  readonly tokensPerMinute: { readonly mean: number; readonly peak: number; readonly peakAt: number };
  readonly smoothing: Smoothing;
  /** Replicas needed for the concurrency; null if it is not known how many calls one replica takes at once. */
  readonly replicas: {
    readonly perReplica: number;
    readonly peak: number;
    readonly p95: number;
    readonly mean: number;
  } | null;
}

/** What `usageOf` needs in addition to the calls. */
export interface UsageContext {
  readonly model: string;
  readonly untilMs: number;
  /** The span begins here, or at the first call if that came later. */
  readonly sinceMs: number;
  readonly windowMs: number;
  readonly limit: Yardstick;
  readonly criteria: UsageCriteria;
  readonly perReplica: number | null;
  readonly momentOf: (atMs: number) => Moment;
  readonly agentName: (agent: number) => string;
}

const TIMELINE_PARTS = 60;
const MOST_PEAKS = 5;
const MOST_IN_PEAK = 3;
const MOST_AGENTS = 20;

/**
 * Computes when a route is used and by whom, and what smoothing its peaks would save. The log has at least one call.
 */
export function usageOf(log: UsageLog, context: UsageContext): Usage {
  const { model, untilMs, windowMs, perReplica } = context;
  const span = { fromMs: Math.max(context.sinceMs, firstOf(log)), untilMs, windowMs };
  const demand = secondsOf(log, span);
  const inFlight = sidesOf(log, span);
  const tallies = tally(log, span, demand);
  const [calls, refused] = [sum(demand.calls), sum(demand.refused)];
  const peak = demand.held.reduce((most, held) => Math.max(most, held), 0);
  const mean = (calls * demand.windowSeconds) / Math.max(demand.windowSeconds, demand.calls.length);
  return {
    model,
    ...span,
    criteria: context.criteria,
    calls,
    agents: tallies.agents.size,
    refused,
    refusedShare: calls === 0 ? 0 : refused / calls,
    mean,
    peak,
    timeline: timelineOf(demand, TIMELINE_PARTS),
    days: daysOf(demand, context.momentOf),
    peaks: tallies.peaks.map((one) => peakOf(one, demand, context)),
    busiest: busiestOf(tallies, calls, context),
    inFlight,
    tokensPerMinute: tokensOf(log, span),
    smoothing: smoothingOf(demand, context, mean === 0 ? 0 : peak / mean),
    replicas: perReplica === null ? null : replicasOf(inFlight.all, perReplica),
  };
}

function firstOf(log: UsageLog): number {
  let first = Number.POSITIVE_INFINITY;
  for (let at = 0; at < log.length; at++) first = Math.min(first, log.arrivedAtMs(at));
  return first;
}

function sum(counts: Uint32Array): number {
  return counts.reduce((total, count) => total + count, 0);
}

interface AgentTally {
  calls: number;
  inPeaks: number;
  refused: number;
  tokens: number;
}

interface PeakTally {
  /** The last second of the window. */
  readonly end: number;
  readonly agents: Map<number, number>;
  calls: number;
  refused: number;
}

interface Tallies {
  readonly agents: ReadonlyMap<number, AgentTally>;
  readonly peaks: readonly PeakTally[];
}

function tally(log: UsageLog, { fromMs, untilMs }: UsageSpan, demand: SecondsOfDemand): Tallies {
  const { startMs, windowSeconds } = demand;
  const peaks = fullest(demand, MOST_PEAKS).map((end): PeakTally => ({ end, agents: new Map(), calls: 0, refused: 0 }));
  const agents = new Map<number, AgentTally>();
  for (let at = 0; at < log.length; at++) {
    const arrived = log.arrivedAtMs(at);
    if (arrived < fromMs || arrived >= untilMs || log.isRepeat(at)) continue;
    const agent = log.agent(at);
    let own = agents.get(agent);
    if (own === undefined) agents.set(agent, (own = { calls: 0, inPeaks: 0, refused: 0, tokens: 0 }));
    own.calls++;
    own.tokens += log.tokens(at);
    const isRefused = log.isRefused(at);
    if (isRefused) own.refused++;
    const second = Math.floor((arrived - startMs) / 1_000);
    for (const peak of peaks) {
      if (second > peak.end || second <= peak.end - windowSeconds) continue;
      own.inPeaks++;
      peak.calls++;
      if (isRefused) peak.refused++;
      peak.agents.set(agent, (peak.agents.get(agent) ?? 0) + 1);
    }
  }
  return { agents, peaks };
}

function peakOf(peak: PeakTally, { startMs, windowSeconds }: SecondsOfDemand, { agentName }: UsageContext): Peak {
  const untilMs = startMs + (peak.end + 1) * 1_000;
  const ranked = [...peak.agents].sort(([, a], [, b]) => b - a).slice(0, MOST_IN_PEAK);
  return {
    fromMs: untilMs - windowSeconds * 1_000,
    untilMs,
    calls: peak.calls,
    agents: peak.agents.size,
    refusedShare: peak.refused / peak.calls,
    busiest: ranked.map(([agent, calls]) => ({ agent: agentName(agent), share: calls / peak.calls })),
  };
}

function busiestOf({ agents, peaks }: Tallies, calls: number, { agentName }: UsageContext): AgentUsage[] {
  const inPeaks = peaks.reduce((total, peak) => total + peak.calls, 0);
  return [...agents]
    .sort(([, a], [, b]) => b.inPeaks - a.inPeaks || b.calls - a.calls)
    .slice(0, MOST_AGENTS)
    .map(([agent, own]) => ({
      agent: agentName(agent),
      calls: own.calls,
      share: own.calls / calls,
      peakShare: own.inPeaks / inPeaks,
      refused: own.refused,
      tokens: own.tokens,
    }));
}

function sidesOf(log: UsageLog, span: UsageSpan): Usage['inFlight'] {
  const dedicated = flightOf(log, span, (at) => log.isDedicated(at));
  const serverless = flightOf(log, span, (at) => !log.isDedicated(at));
  if (dedicated.peak === 0) return { all: serverless, serverless, dedicated };
  return { all: flightOf(log, span, () => true), serverless, dedicated };
}

function flightOf(log: UsageLog, span: UsageSpan, isMeant: (at: number) => boolean): InFlight {
  const [begins, ends] = [new Float64Array(log.length), new Float64Array(log.length)];
  let count = 0;
  for (let at = 0; at < log.length; at++) {
    if (!isMeant(at)) continue;
    begins[count] = log.arrivedAtMs(at);
    ends[count++] = log.endedAtMs(at);
  }
  return inFlightOf(begins.subarray(0, count), ends.subarray(0, count), span);
}

function tokensOf(log: UsageLog, { fromMs, untilMs }: UsageSpan): Usage['tokensPerMinute'] {
  const first = Math.floor(fromMs / MINUTE_MS);
  const minutes = new Float64Array(Math.max(1, Math.ceil(untilMs / MINUTE_MS) - first));
  for (let at = 0; at < log.length; at++) {
    const minute = Math.floor(log.endedAtMs(at) / MINUTE_MS) - first;
    if (minute >= 0 && minute < minutes.length) minutes[minute] = (minutes[minute] as number) + log.tokens(at);
  }
  const peak = minutes.reduce((most, tokens) => Math.max(most, tokens), 0);
  const all = minutes.reduce((total, tokens) => total + tokens, 0);
  const spanMs = Math.max(MINUTE_MS, untilMs - fromMs);
  return { mean: (all * MINUTE_MS) / spanMs, peak, peakAt: (first + minutes.indexOf(peak)) * MINUTE_MS };
}

function smoothingOf(demand: SecondsOfDemand, { limit, criteria }: UsageContext, peakToMean: number): Smoothing {
  const spreads = spreadsOf(demand);
  return {
    limit,
    aboveShare: aboveShare(demand, limit.calls),
    peakToMean,
    spreads,
    withinLimit: spreadWithin(spreads, limit.calls),
    belowCriteria: spreadWithin(spreads, criteria.calls),
  };
}

function replicasOf({ peak, p95, mean }: InFlight, perReplica: number): NonNullable<Usage['replicas']> {
  const need = (calls: number) => Math.max(1, Math.ceil(calls / perReplica));
  return { perReplica, peak: need(peak), p95: need(p95), mean: need(mean) };
}
