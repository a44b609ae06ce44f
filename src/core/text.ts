import { HOUR_MS, MINUTE_MS } from './time.ts';

/** A problem and its hint in one sentence. */
export function problemText(problem: { readonly message: string; readonly hint: string | null }): string {
  return problem.hint === null ? problem.message : `${problem.message}: ${problem.hint}`;
}

/** A span in the largest unit that fits, for people. */
export function spanText(ms: number): string {
  if (ms >= 5_400_000) return `${(ms / HOUR_MS).toFixed(1)} h`;
  if (ms >= 90_000) return `${Math.round(ms / MINUTE_MS)} min`;
  return `${Math.round(ms / 1_000)} s`;
}

/** Micro-dollars per hour, for people. */
export function priceText(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(2)}/h`;
}
