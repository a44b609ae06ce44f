import type { Limit } from './budget-limits.ts';

/** A budget's span, to be written after its sum: `$5.00 a day`. */
export const SCOPES: Readonly<Record<Limit['scope'], string>> = { hour: 'an hour', day: 'a day', rollout: 'a rollout' };

/** The time of a budget's spending: `today` in `$3.20 are spent today`. */
export function spentText(scope: Limit['scope']): string {
  return { hour: 'in the last hour', day: 'today', rollout: 'on this rollout' }[scope];
}

/** Micro-dollars as dollars and cents, for people. */
export function moneyText(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(2)}`;
}
