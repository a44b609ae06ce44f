import type { RoleFigures } from './figures.ts';
import type { LimitsPolicy } from './policy.ts';

/** What comparing the two roles came to. Only `pass` lets a step end; everything else holds. */
export type VerdictStatus = 'pass' | 'fail' | 'inconclusive' | 'no data' | 'unhealthy';

/** One compared figure. `canary <= limit` is within; shares 0..1, times in ms. */
export interface MetricVerdict {
  readonly metric: 'errors' | 'rejections' | 'left' | 'p95';
  readonly stable: number;
  readonly canary: number;
  readonly limit: number;
  readonly isWithin: boolean;
}

export interface Verdict {
  readonly status: VerdictStatus;
  /** One sentence, figures first. */
  readonly summary: string;
  readonly metrics: readonly MetricVerdict[];
  /** The step that the stable figures were taken from, where it is not this one. */
  readonly baselineStep: number | null;
}

/** The stable role of the last step that had one: at 100 % nothing is left beside the canary. */
export interface Baseline {
  readonly step: number;
  readonly stable: RoleFigures;
}

/** Clients leave for reasons of their own: only a difference that is hard to overlook counts. */
const LEFT_MARGIN = 0.05;

/**
 * Judges a step: is the canary within its limits of the stable role? Errors are compared as shares with an absolute
 * margin (a ratio explodes where stable has none), the p95 of answered calls as a ratio with a floor. Serverless's 429s
 * are not among its errors: they are what the rollout is meant to end.
 */
export function judge(
  stable: RoleFigures,
  canary: RoleFigures,
  limits: Pick<LimitsPolicy, 'minCalls' | 'errorShare' | 'p95Ratio' | 'p95Floor'>,
  baseline: Baseline | null,
): Verdict {
  const isOwn = baseline === null || stable.decided >= limits.minCalls;
  const reference = isOwn ? stable : baseline.stable;
  const baselineStep = isOwn ? null : baseline.step;
  const missing = { metrics: [], baselineStep };
  if (canary.decided === 0)
    return { status: 'no data', summary: 'no call on the endpoint has been decided', ...missing };
  if (canary.decided < limits.minCalls || reference.decided < limits.minCalls) {
    const summary = `${canary.decided} canary and ${reference.decided} stable calls decided; ${limits.minCalls} of each needed`;
    return { status: 'inconclusive', summary, ...missing };
  }
  if (reference.p95 === null) {
    return { status: 'inconclusive', summary: 'no stable call was answered: nothing to compare with', ...missing };
  }
  const metrics = [
    shareOf('errors', reference, canary, {
      count: (role) => role.faults,
      of: (role) => role.decided,
      margin: limits.errorShare,
    }),
    shareOf('rejections', reference, canary, {
      count: (role) => role.rejected,
      of: (role) => role.decided + role.rejected,
      margin: limits.errorShare,
    }),
    shareOf('left', reference, canary, {
      count: (role) => role.left,
      of: (role) => role.decided + role.left,
      margin: LEFT_MARGIN,
    }),
    latency(reference.p95, canary, limits),
  ];
  const over = metrics.filter((metric) => !metric.isWithin);
  const main = metrics.filter(({ metric }) => metric === 'errors' || metric === 'p95');
  const told = (over.length > 0 ? over : main).map(sentence).join('; ');
  const aside = baselineStep === null ? '' : ` (stable as of step ${baselineStep})`;
  return { status: over.length > 0 ? 'fail' : 'pass', summary: told + aside, metrics, baselineStep };
}

interface ShareRule {
  readonly count: (role: RoleFigures) => number;
  readonly of: (role: RoleFigures) => number;
  /** How much larger the canary's share may be, absolute. */
  readonly margin: number;
}

function shareOf(
  metric: 'errors' | 'rejections' | 'left',
  stable: RoleFigures,
  canary: RoleFigures,
  { count, of, margin }: ShareRule,
): MetricVerdict {
  const [before, now] = [count(stable) / of(stable), count(canary) / of(canary)];
  return { metric, stable: before, canary: now, limit: before + margin, isWithin: now <= before + margin };
}

function latency(
  before: number,
  canary: RoleFigures,
  limits: Pick<LimitsPolicy, 'p95Ratio' | 'p95Floor'>,
): MetricVerdict {
  const limit = Math.max(before * limits.p95Ratio, before + limits.p95Floor);
  // JSON has no infinity: a canary that answered nothing at all is told as the largest safe number of milliseconds.
  const now = canary.p95 ?? Number.MAX_SAFE_INTEGER;
  return { metric: 'p95', stable: before, canary: now, limit, isWithin: now <= limit };
}

const SHARE_NAMES = {
  errors: 'errors',
  rejections: 'answers that blame the caller',
  left: 'clients that left',
} as const;

function sentence({ metric, stable, canary, limit }: MetricVerdict): string {
  if (metric !== 'p95') {
    return `${SHARE_NAMES[metric]} ${percent(canary)} against ${percent(stable)} (limit ${percent(limit)})`;
  }
  return `p95 ${Math.round(canary)} ms against ${Math.round(stable)} ms (limit ${Math.round(limit)} ms)`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
