import { DAY_MS, monthOf } from '../time.ts';

/** What this month will cost if spending continues as in the last days. An estimate. */
export interface MonthForecast {
  /** e.g. `2026-11` */
  readonly month: string;
  /** Spent since the month's first minute (UTC), or since the cost records begin. */
  readonly spentMicros: number;
  /** The estimate for the whole month. */
  readonly micros: number;
  /** The span whose mean spending is assumed to continue, ms: at most the last seven days. */
  readonly basisMs: number;
  readonly perDayMicros: number;
}

export const BASIS_MS = 7 * DAY_MS;
/** With less of the past than this there is no forecast. */
const LEAST_MS = 3_600_000;

/**
 * The month's spending so far, plus the rest of the month at the mean of the last days. `basis`: what was spent since `from`,
 * which is seven days ago or when the cost records begin. Null if they began less than an hour ago.
 */
export function forecastMonth(
  now: number,
  spentMicros: number,
  basis: { readonly from: number; readonly micros: number },
): MonthForecast | null {
  const basisMs = now - basis.from;
  if (basisMs < LEAST_MS) return null;
  const { name, until } = monthOf(now);
  const perMs = basis.micros / basisMs;
  return {
    month: name,
    spentMicros: Math.round(spentMicros),
    micros: Math.round(spentMicros + perMs * (until - now)),
    basisMs,
    perDayMicros: Math.round(perMs * DAY_MS),
  };
}
