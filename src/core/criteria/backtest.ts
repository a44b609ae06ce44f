import type { CriteriaPolicy } from '../policy/criteria.ts';
import { SECOND_MS } from '../time.ts';
import { judgeCriteria, needsServed, withCosts } from './criteria.ts';
import type { CostsOf, DemandFigures, NearMiss } from './criteria.ts';
import { DemandWindow } from './demand-window.ts';
import { NearMisses } from './near-miss.ts';
import type { ServedCall } from './served-window.ts';

/** A past call, as the criteria count it. */
export interface BacktestCall {
  readonly atMs: number;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  readonly isRefused: boolean;
  /** How it ended, if serverless served it. */
  readonly ended?: ServedCall & { readonly atMs: number };
}

/** A span in which the criteria held. Times in epoch ms. */
export interface HeldSpan {
  readonly since: number;
  readonly until: number;
  /** When they had held long enough to propose; null if they did not. */
  readonly proposedAt: number | null;
  /** The figures of its busiest second. */
  readonly peak: DemandFigures;
}

/** What criteria would have done. */
export interface Backtest {
  /** Each span in which they held. */
  readonly spans: readonly HeldSpan[];
  /** The longest time for which one criterion alone was missing; null if that never was so. */
  readonly near: NearMiss | null;
}

/**
 * Applies criteria to past calls, which must be in the order of their arrival. Returns each span in which the criteria
 * held, and when they would have led to a proposal. The cooldown is not applied, because nothing was proposed then.
 */
export function backtest(
  calls: readonly BacktestCall[],
  criteria: CriteriaPolicy,
  costsOf: CostsOf = () => null,
): Backtest {
  let judged: DemandFigures | null = null;
  const keepsServed = needsServed(criteria);
  const near = new NearMisses();
  const holds = (figures: DemandFigures) => {
    judged = withCosts(figures, criteria, costsOf);
    near.note(judged, criteria);
    return judgeCriteria(judged, criteria).holds;
  };
  const window = new DemandWindow(criteria.window, holds, keepsServed);
  const spans: HeldSpan[] = [];
  let open: HeldSpan | null = null;
  let second = Number.NaN;
  const measure = (nowMs: number) => {
    window.advance(nowMs);
    const since = window.holdsSince;
    if (open !== null && (since === null || since !== open.since)) {
      spans.push(open);
      open = null;
    }
    if (since === null) return;
    const figures: DemandFigures = judged ?? window.figures();
    const peak: DemandFigures = open === null || figures.calls > open.peak.calls ? figures : open.peak;
    const isSustained = nowMs - since >= criteria.sustain;
    open = { since, until: nowMs, proposedAt: isSustained ? since + criteria.sustain : null, peak };
  };
  for (const { atMs, call } of momentsOf(calls, keepsServed)) {
    const now = Math.floor(atMs / SECOND_MS);
    // The criteria are judged at the end of every second, with or without a call, while the window is not empty.
    const from = Number.isNaN(second) || now - second > criteria.window / SECOND_MS + 1 ? now : second + 1;
    if (from === now && second < now - 1) measure((second + criteria.window / SECOND_MS + 1) * SECOND_MS);
    for (let at = from; at <= now; at++) measure(at * SECOND_MS);
    second = now;
    if ('outcome' in call) window.ended(atMs, atMs, call);
    else {
      window.arrived(atMs, call.agent, call.isAgentDerived);
      if (call.isRefused) window.refused(atMs);
    }
  }
  if (!Number.isNaN(second)) measure((second + 1) * SECOND_MS);
  if (open !== null) spans.push(open);
  return { spans, near: near.longest };
}

interface Moment {
  readonly atMs: number;
  readonly call: BacktestCall | ServedCall;
}

/** The arrivals of calls, and also their ends if `hasEnds`, in the order of time. */
function momentsOf(calls: readonly BacktestCall[], hasEnds: boolean): Moment[] {
  const moments: Moment[] = calls.map((call) => ({ atMs: call.atMs, call }));
  if (!hasEnds) return moments;
  for (const { ended } of calls) if (ended !== undefined) moments.push({ atMs: ended.atMs, call: ended });
  return moments.sort((a, b) => a.atMs - b.atMs);
}
