import { costOf, lasts, limitsOf } from '../money/budget-limits.ts';
import type { Limit } from '../money/budget-limits.ts';
import type { Spending } from '../money/spending.ts';
import { moneyText, SCOPES, spentText } from '../money/text.ts';
import { tighter } from '../policy/budget.ts';
import type { BudgetPolicy } from '../policy/budget.ts';
import { priceText, spanText } from '../text.ts';
import { DAY_MS } from '../time.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Observation } from './observation.ts';

/** The budgets must pay for at least this long. The default policy's steps, copies and control group take an hour. */
const LEAST_MS = 3_600_000;

const NOTHING_SPENT: Omit<Spending, 'at'> = { hourMicros: 0, dayMicros: 0, rolloutMicros: 0, ratePerHourMicros: 0 };

/** The budget in force: for each figure, the lower of the rollout's pinned policy and the policy file. */
export function budgetOf({ policy, budget }: Pick<Observation, 'policy' | 'budget'>): BudgetPolicy {
  return tighter(policy.budget, budget.file);
}

/**
 * Why an endpoint at this price breaks a budget, figures first; null if it does not. `rollout`: one that may have paid for
 * other instances already.
 */
export function overBudget(seen: Observation, pricePerHourMicros: number, rollout?: Rollout): string | null {
  const budget = budgetOf(seen);
  const price = priceText(pricePerHourMicros);
  if (budget.perHour !== null && pricePerHourMicros > budget.perHour * 1_000_000) {
    return `${price} exceeds the budget of ${moneyText(budget.perHour * 1_000_000)} an hour`;
  }
  if (seen.spending === null && (budget.perDay !== null || budget.perHour !== null)) {
    return `${price}: what was spent today is not known yet`;
  }
  const short = limitsFor(seen, rollout).find((limit) => !paysFor(limit, pricePerHourMicros));
  if (short === undefined) return null;
  const least = costOf(pricePerHourMicros, LEAST_MS);
  return `${price}: ${lastsText(short, pricePerHourMicros)}; a rollout takes at least an hour, which costs ${moneyText(least)}`;
}

/** How long the budgets last at this price, for people; empty if none is set. */
export function budgetText(seen: Observation, pricePerHourMicros: number): string {
  return limitsFor(seen)
    .filter(({ scope }) => scope !== 'hour')
    .map((limit) => `; ${lastsText(limit, pricePerHourMicros)}`)
    .join('');
}

/** The budgets with what a rollout has spent. Without one: before it has spent anything. */
function limitsFor(seen: Observation, rollout?: Rollout): Limit[] {
  const { now } = seen;
  const known = seen.spending ?? { ...NOTHING_SPENT, at: now };
  const spending = rollout === undefined ? { ...known, rolloutMicros: 0 } : known;
  return limitsOf(budgetOf(seen), rollout?.budget ?? [], spending, { most: spending.ratePerHourMicros, now });
}

function paysFor({ scope, budgetMicros, spentMicros, endsInMs }: Limit, pricePerHourMicros: number): boolean {
  const least = costOf(pricePerHourMicros, LEAST_MS);
  // If the day is almost over, its budget must pay for the rest of the day, and the next day's budget for the hour.
  const rest = costOf(pricePerHourMicros, Math.min(LEAST_MS, endsInMs ?? LEAST_MS));
  if (scope === 'rollout') return spentMicros + least <= budgetMicros;
  return least <= budgetMicros && spentMicros + rest <= budgetMicros;
}

function lastsText(limit: Limit, pricePerHourMicros: number): string {
  const { scope, budgetMicros, spentMicros, endsInMs } = limit;
  const whole = `${moneyText(budgetMicros)} ${SCOPES[scope]}`;
  if (scope === 'rollout') return `${whole} lasts ${spanText(lasts(limit, pricePerHourMicros))}`;
  const ms = lasts({ ...limit, spentMicros: 0 }, pricePerHourMicros);
  const isEnough = scope === 'day' && lasts(limit, pricePerHourMicros) >= (endsInMs ?? 0) && ms >= DAY_MS;
  return `${whole} ${isEnough ? 'is enough' : `lasts ${spanText(ms)}`}, ${moneyText(spentMicros)} are spent ${spentText(scope)}`;
}
