import type { BudgetPolicy } from '../policy/budget.ts';
import { DAY_MS, HOUR_MS } from '../time.ts';
import { countOf } from './budget-marks.ts';
import type { BudgetMark } from './budget-marks.ts';
import type { Spending } from './spending.ts';

/** A minute is billed in full once it has begun. */
const BILLED_MS = 60_000;

/** One budget as it stands. Money in micro-dollars. */
export interface Limit {
  readonly scope: 'hour' | 'day' | 'rollout';
  /** Its name in the marks. */
  readonly name: string;
  /** The policy's budget (`baseMicros`), and the same with its extensions (`budgetMicros`). */
  readonly baseMicros: number;
  readonly budgetMicros: number;
  readonly spentMicros: number;
  /**
   * Time until the budget starts again, ms. Null for a rollout's, which never does, and for the hour's, which moves on
   * all the time.
   */
  readonly endsInMs: number | null;
}

/** The present cost, and the cost with the most replicas that there may be. Micro-dollars per hour. */
export interface Rates {
  readonly present: number;
  readonly most: number;
}

/** What a span costs, in micro-dollars. */
export function costOf(ratePerHourMicros: number, ms: number): number {
  return Math.ceil((ratePerHourMicros * ms) / HOUR_MS);
}

/**
 * The budgets that are set, and what is spent of them by `now`. The time since `spending.at` counts at the highest
 * rate, `most`.
 */
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

/** Whether a budget would be used up before it starts again if the cost stayed at this rate. */
export function runsOut({ scope, budgetMicros, spentMicros, endsInMs }: Limit, ratePerHourMicros: number): boolean {
  if (ratePerHourMicros <= 0) return false;
  if (scope === 'hour') return ratePerHourMicros > budgetMicros;
  return endsInMs === null || spentMicros + costOf(ratePerHourMicros, endsInMs) > budgetMicros;
}

/**
 * Whether the rollout must be rolled back now, so that the spending until the endpoint is paused stays within the budget. If
 * it waited for the next reading, it could exceed the budget, because replicas may be added meanwhile. `rollbackMs`: the time
 * from this reading, over the next one, to the pause.
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

/** The spending that is assumed for an endpoint whose costs are not recorded: the most that it can have cost. */
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
