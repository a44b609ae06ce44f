import { assumedSpending, lasts, limitsOf, mustRollBack, runsOut } from '../money/budget-limits.ts';
import type { Limit, Rates } from '../money/budget-limits.ts';
import { countOf } from '../money/budget-marks.ts';
import type { BudgetEvent } from '../money/budget-marks.ts';
import { moneyText, spentText } from '../money/text.ts';
import { isAbout } from '../rollout/ask.ts';
import { isLive, isOver } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { priceText, spanText } from '../text.ts';
import { MINUTE_MS } from '../time.ts';
import { budgetOf } from './budget-proposal.ts';
import { decision, leave } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';
import { termsOf, termsText } from './terms.ts';
import { decideRollback, rollBack } from './rollback.ts';

/**
 * A question is asked at least this long before the endpoint must be left, because an operator needs time to answer.
 */
const ANSWER_MS = 600_000;

/**
 * Keeps the cost of a rollout's endpoint within the budgets: it warns when a budget runs low, asks whether the budget
 * may be exceeded, and rolls back before the budget is used up. Null if there is nothing to do.
 */
export function decideBudget(rollout: Rollout, seen: Observation): Decision | null {
  const rollback = budgetRollback(rollout, seen);
  if (rollback !== null) return rollback;
  // If the rollout is rolled back for another reason, a question about the budget is pointless.
  return isLive(rollout) && decideRollback(rollout, seen) !== null ? null : budgetWord(rollout, seen);
}

/** The warning or the question before a budget is used up; null if there is none. */
export function budgetWord(rollout: Rollout, seen: Observation): Decision | null {
  const standing = standingOf(rollout, seen);
  if (standing === null) return null;
  const { limits, rates } = standing;
  const marks = rollout.budget ?? [];
  const hasMark = ({ name }: Limit, mark: 'warned' | 'asked') => countOf(marks, name, mark) > 0;
  if (isAbout(rollout.ask, 'budget') && !limits.some(({ name }) => name === lastAsked(rollout))) {
    const reason = 'the day of this budget is over';
    const events = [{ type: 'ask_withdrawn' as const, about: 'budget' as const, step: stepOf(rollout), reason }];
    return decision('withdraw_ask', 'budget_renewed', reason, { events });
  }
  const { warnAt, askAt } = budgetOf(seen);
  const low = limits.find((limit) => isLow(limit, standing, Math.min(warnAt, askAt)) && !hasMark(limit, 'warned'));
  if (low !== undefined) {
    return decision('warn', 'budget_low', restText(low, rates), { events: [mark('budget_warned', low)] });
  }
  const due = limits.find((limit) => isLow(limit, standing, askAt) && !hasMark(limit, 'asked'));
  if (due === undefined || isAbout(rollout.ask, 'budget') || seen.frozen !== undefined) return null;
  const terms = termsOf(rollout, seen);
  const asked = { type: 'asked' as const, about: 'budget' as const, step: stepOf(rollout), verdict: null, terms };
  return decision('ask', 'budget_nearly_used', `${askText(due, rates)}; ${termsText(terms)}`, {
    events: [mark('budget_asked', due), asked],
  });
}

/**
 * Rolls back if the endpoint must be left now to keep a budget, or waits if serverless refuses connections. Null if the
 * endpoint need not be left.
 */
export function budgetRollback(rollout: Rollout, seen: Observation): Decision | null {
  const cause = overspending(rollout, seen);
  if (cause === null) return null;
  if (!isLive(rollout)) return leave(rollout, 'aborted', 'over_budget', cause);
  return { ...rollBack(rollout, seen, 'over_budget', cause), verdict: seen.verdict };
}

/** Why a rollout's endpoint must be left now to keep a budget, figures first; null if it need not be left. */
export function overspending(rollout: Rollout, seen: Observation): string | null {
  const standing = standingOf(rollout, seen);
  if (standing === null) return null;
  const { limits, rates, rollbackMs } = standing;
  const used = limits.find((limit) => mustRollBack(limit, rates, rollbackMs));
  if (used === undefined) return null;
  return `${shareText(used)}; at ${priceText(rates.most)} the endpoint must be left now to keep the budget`;
}

/**
 * What an approval to exceed a budget adds: the same amount again, for the same day or rollout. `text` says it for
 * people. Null if the day of the budget is over.
 */
export function extendBudget(
  rollout: Rollout,
  seen: Observation,
): { readonly event: BudgetEvent; readonly text: string } | null {
  const limit = standingOf(rollout, seen)?.limits.find(({ name }) => name === lastAsked(rollout));
  if (limit === undefined) return null;
  const span = { hour: 'an hour of this rollout', day: 'today', rollout: 'this rollout' }[limit.scope];
  return { event: mark('budget_extended', limit), text: `${moneyText(limit.baseMicros)} more for ${span}` };
}

/** The budgets that run low, one sentence each, for people. Empty if no budget runs low. */
export function budgetNotes(rollout: Rollout | null, seen: Observation): string[] {
  const standing = rollout === null ? null : standingOf(rollout, seen);
  if (standing === null) return [];
  const { limits, rates, rollbackMs } = standing;
  const { warnAt, askAt } = budgetOf(seen);
  return limits
    .filter((limit) => isLow(limit, standing, Math.min(warnAt, askAt)))
    .map((limit) => {
      if (mustRollBack(limit, rates, rollbackMs)) return `budget: ${shareText(limit)}, and the endpoint cannot be left`;
      const leftMs = Math.max(0, lasts(limit, rates.most) - rollbackMs - MINUTE_MS);
      return `budget: ${restText(limit, rates)}; upshift rolls back to serverless in about ${spanText(leftMs)}`;
    });
}

function isLow(limit: Limit, { rates, rollbackMs }: Standing, share: number): boolean {
  if (mustRollBack(limit, rates, rollbackMs + ANSWER_MS)) return true;
  return limit.spentMicros >= limit.budgetMicros * share && runsOut(limit, rates.present);
}

interface Standing {
  readonly limits: readonly Limit[];
  readonly rates: Rates;
  readonly rollbackMs: number;
}

/** Null if the rollout has no endpoint yet, or is leaving it. */
function standingOf(rollout: Rollout, seen: Observation): Standing | null {
  const since = runsSince(rollout);
  if (since === null) return null;
  const { now } = seen;
  const price = rollout.pricePerHourMicros;
  const spending = seen.spending ?? assumedSpending(price, since, now);
  const rates = { present: spending.ratePerHourMicros, most: Math.max(price, spending.ratePerHourMicros) };
  const limits = limitsOf(budgetOf(seen), rollout.budget ?? [], spending, { most: rates.most, now });
  return { limits, rates, rollbackMs: seen.budget.rollbackMs };
}

/** Since when the endpoint may cost money; null if there is none, or it is being left. */
function runsSince(rollout: Rollout): number | null {
  if (rollout.phase === 'draining' || isOver(rollout.phase)) return null;
  return rollout.wayBack?.runsSince ?? ('startedAt' in rollout ? rollout.startedAt : null);
}

function stepOf(rollout: Rollout): number {
  return 'step' in rollout ? rollout.step : 0;
}

/** The budget that was asked about last. An open question about a budget is about this one. */
function lastAsked({ budget = [] }: Rollout): string | undefined {
  return budget.findLast((one) => one.mark === 'asked')?.budget;
}

function mark(type: BudgetEvent['type'], { name }: Limit): BudgetEvent {
  return { type, budget: name };
}

function shareText({ scope, spentMicros, budgetMicros }: Limit): string {
  const percent = Math.floor((spentMicros / budgetMicros) * 100);
  return `${moneyText(spentMicros)} of ${moneyText(budgetMicros)} are spent ${spentText(scope)} (${percent} %)`;
}

function restText(limit: Limit, { present }: Rates): string {
  return `${shareText(limit)}; at ${priceText(present)} the rest lasts ${spanText(lasts(limit, present))}`;
}

function askText(limit: Limit, rates: Rates): string {
  const added = moneyText(limit.baseMicros);
  return `may this budget be exceeded? ${restText(limit, rates)}; an approval adds ${added}, without it upshift rolls back in time`;
}
