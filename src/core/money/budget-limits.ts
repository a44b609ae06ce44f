import type { BudgetPolicy } from '../policy/budget.ts';
import { DAY_MS, HOUR_MS } from '../time.ts';
import { countOf } from './budget-marks.ts';
import type { BudgetMark } from './budget-marks.ts';
import type { Spending } from './spending.ts';

/** What a minute that has begun is billed in. */
const BILLED_MS = 60_000;

/** One budget as it stands. Money in micro-dollars. */
export interface Limit {
  readonly scope: 'hour' | 'day' | 'rollout';
  /** What its marks call it. */
  readonly name: string;
  /** As the policy says, and with its extensions. */
  readonly baseMicros: number;
  readonly budgetMicros: number;
  readonly spentMicros: number;
  /** Until it begins anew; null where it never does, or, of the hour, always. */
  readonly endsInMs: number | null;
}

/** What is paid: now, and with all the replicas that there may be. Micro-dollars per hour. */
export interface Rates {
  readonly present: number;
  readonly most: number;
}

/** What a span costs, in micro-dollars. */
export function costOf(ratePerHourMicros: number, ms: number): number {
  return Math.ceil((ratePerHourMicros * ms) / HOUR_MS);
}

/** The budgets that are set, and what is spent of them by `now`: since the books were asked, as much as can be. */
export function limitsOf(
  budget: BudgetPolicy,
  marks: readonly BudgetMark[],
  spending: Spending,
  { most, now }: { readonly most: number; readonly now: number },
): Limit[] {
  const since = costOf(most, Math.max(0, now - spending.at));
  const day = Math.floor(now / DAY_MS);
  const isSameDay = Math.floor(spending.at / DAY_MS) >= day;
  const limit = (scope: Limit['scope'], name: string, dollars: number | null, spent: number): Limit[] => {
    if (dollars === null) return [];
    const baseMicros = Math.round(dollars * 1_000_000);
    const budgetMicros = baseMicros * (1 + countOf(marks, name, 'extended'));
    return [
      {
        scope,
        name,
        baseMicros,
        budgetMicros,
        spentMicros: spent,
        endsInMs: scope === 'day' ? (day + 1) * DAY_MS - now : null,
      },
    ];
  };
  const spentToday = isSameDay ? spending.dayMicros + since : costOf(most, now - day * DAY_MS);
  return [
    ...limit('hour', 'hour', budget.perHour, spending.hourMicros + since),
    ...limit('day', `day ${day}`, budget.perDay, spentToday),
    ...limit('rollout', 'rollout', budget.perRollout, spending.rolloutMicros + since),
  ];
}

/** Whether a budget would be used up before it begins anew, if things went on at this rate. */
export function runsOut({ scope, budgetMicros, spentMicros, endsInMs }: Limit, ratePerHourMicros: number): boolean {
  if (ratePerHourMicros <= 0) return false;
  if (scope === 'hour') return ratePerHourMicros > budgetMicros;
  return endsInMs === null || spentMicros + costOf(ratePerHourMicros, endsInMs) > budgetMicros;
}

/**
 * Whether an endpoint must be left now, so that what is spent until it is paused stays within the budget: with one look
 * more it could not, even if replicas were added meanwhile. `wayBackMs`: from this look, over the next, to the pause.
 */
export function mustRollBack(limit: Limit, { most }: Rates, rollbackMs: number): boolean {
  if (!runsOut(limit, most)) return false;
  const spanMs = Math.min(rollbackMs + BILLED_MS, limit.endsInMs ?? Number.POSITIVE_INFINITY);
  return limit.spentMicros + costOf(most, spanMs) > limit.budgetMicros;
}

/** How long what is left of a budget lasts, ms. */
export function lasts({ budgetMicros, spentMicros }: Limit, ratePerHourMicros: number): number {
  return (Math.max(0, budgetMicros - spentMicros) / ratePerHourMicros) * HOUR_MS;
}

/** What is known of an endpoint whose costs nobody has booked: that it cannot have cost more than this. */
export function assumedSpending(pricePerHourMicros: number, startedAt: number, now: number): Spending {
  const ms = Math.max(0, now - startedAt);
  return {
    hourMicros: costOf(pricePerHourMicros, Math.min(ms, HOUR_MS)),
    dayMicros: costOf(pricePerHourMicros, Math.min(ms, now % DAY_MS)),
    rolloutMicros: costOf(pricePerHourMicros, ms),
    ratePerHourMicros: pricePerHourMicros,
    at: now,
  };
}
