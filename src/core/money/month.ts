import { DAY_MS, monthOf } from '../time.ts';

/** What this month comes to, if it goes on as lately. An estimate. */
export interface MonthForecast {
  /** e.g. `2026-11` */
  readonly month: string;
  /** Since the month's first minute (UTC), as far as the books reach. */
  readonly spentMicros: number;
  /** By the month's end. */
  readonly micros: number;
  /** The span whose course is taken to go on, ms: up to seven days before now. */
  readonly basisMs: number;
  readonly perDayMicros: number;
}

export const BASIS_MS = 7 * DAY_MS;
/** Less of the past than this says nothing of a month. */
const LEAST_MS = 3_600_000;

/**
 * Spent so far this month, and the rest of it at the mean of the last days. `basis`: what was spent since `from`, which is
 * seven days ago or when the books begin. Null where they are too young.
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
