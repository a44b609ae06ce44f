import type { DemandFigures } from './criteria.ts';
import { judgeCriteria } from './criteria.ts';
import type { CriteriaPolicy } from './policy.ts';
import { DemandWindow } from './window.ts';

/** A call of the past, as the criteria count it. */
export interface PastCall {
  readonly atMs: number;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  readonly isRefused: boolean;
}

/** A span in which the criteria held. Times in epoch ms. */
export interface HeldSpan {
  readonly since: number;
  readonly until: number;
  /** When they had held long enough to propose; null where they did not. */
  readonly proposedAt: number | null;
  /** The figures of its busiest second. */
  readonly peak: DemandFigures;
}

const SECOND_MS = 1_000;

/**
 * What criteria would have said of past calls, which come in the order of their arrival: each span in which they held, and
 * when they would have led to a proposal. The cooldown plays no part: nothing was proposed then.
 */
export function backtest(calls: Iterable<PastCall>, criteria: CriteriaPolicy): readonly HeldSpan[] {
  let judged: DemandFigures | null = null;
  const window = new DemandWindow(criteria.window, (figures) => {
    judged = figures;
    return judgeCriteria(figures, criteria).holds;
  });
  const spans: HeldSpan[] = [];
  let open: HeldSpan | null = null;
  let second = Number.NaN;
  const look = (nowMs: number) => {
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
  for (const { atMs, agent, isAgentDerived, isRefused } of calls) {
    const now = Math.floor(atMs / SECOND_MS);
    // Judged at the end of every second, also of those without a call, as long as something is in the window.
    const from = Number.isNaN(second) || now - second > criteria.window / SECOND_MS + 1 ? now : second + 1;
    if (from === now && second < now - 1) look((second + criteria.window / SECOND_MS + 1) * SECOND_MS);
    for (let at = from; at <= now; at++) look(at * SECOND_MS);
    second = now;
    window.arrived(atMs, agent, isAgentDerived);
    if (isRefused) window.refused(atMs);
  }
  if (!Number.isNaN(second)) look((second + 1) * SECOND_MS);
  if (open !== null) spans.push(open);
  return spans;
}
