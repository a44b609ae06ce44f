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
import { decideRollback, rollBack } from './rollback.ts';

/** The way back where the observation does not say: calls end within five minutes, and looks and pauses take seconds. */
const ROLLBACK_MS = 310_000;

/** A question comes so long before the endpoint must be left, at the latest: somebody has to read it. */
const ANSWER_MS = 600_000;

/**
 * Keeps what a rollout's endpoint costs within the budgets: says so when one runs low, asks whether it may be exceeded,
 * and goes back in time. Null where there is nothing to say.
 */
export function decideBudget(rollout: Rollout, seen: Observation): Decision | null {
  const rollback = budgetRollback(rollout, seen);
  if (rollback !== null) return rollback;
  // What must go back for another reason has no time for questions.
  return isLive(rollout) && decideRollback(rollout, seen) !== null ? null : budgetWord(rollout, seen);
}

/** What is to be said, or asked, before a budget is used up; null where that is nothing. */
export function budgetWord(rollout: Rollout, seen: Observation): Decision | null {
  const standing = standingOf(rollout, seen);
  if (standing === null) return null;
  const { limits, rates } = standing;
  const marks = rollout.budget ?? [];
  const hasMark = ({ name }: Limit, mark: 'warned' | 'asked') => countOf(marks, name, mark) > 0;
  if (isAbout(rollout.ask, 'budget') && !limits.some(({ name }) => name === lastAsked(rollout))) {
    const reason = 'the day that it was about is over';
    const events = [{ type: 'ask_withdrawn' as const, about: 'budget' as const, step: stepOf(rollout), reason }];
    return decision('withdraw_ask', 'budget_renewed', reason, { events });
  }
  const { warnAt, askAt } = budgetOf(seen);
  const low = limits.find((limit) => isLow(limit, standing, Math.min(warnAt, askAt)) && !hasMark(limit, 'warned'));
  if (low !== undefined) {
    return decision('warn', 'budget_low', toldOf(low, rates), { events: [mark('budget_warned', low)] });
  }
  const due = limits.find((limit) => isLow(limit, standing, askAt) && !hasMark(limit, 'asked'));
  if (due === undefined || isAbout(rollout.ask, 'budget')) return null;
  const asked = { type: 'asked' as const, about: 'budget' as const, step: stepOf(rollout), verdict: null };
  return decision('ask', 'budget_nearly_used', askText(due, rates), { events: [mark('budget_asked', due), asked] });
}

/** Whether the endpoint must be left now so that a budget is kept. Goes back, or holds where serverless takes no calls. */
export function budgetRollback(rollout: Rollout, seen: Observation): Decision | null {
  const told = overspending(rollout, seen);
  if (told === null) return null;
  if (!isLive(rollout)) return leave(rollout, 'aborted', 'over_budget', told);
  return { ...rollBack(rollout, seen, 'over_budget', told), verdict: seen.verdict };
}

/** Why a rollout's endpoint must be left now so that a budget is kept, figures first; null where it need not. */
export function overspending(rollout: Rollout, seen: Observation): string | null {
  const standing = standingOf(rollout, seen);
  if (standing === null) return null;
  const { limits, rates, rollbackMs } = standing;
  const used = limits.find((limit) => mustRollBack(limit, rates, rollbackMs));
  if (used === undefined) return null;
  return `${shareText(used)}; at ${priceText(rates.most)} it must be left now to keep the budget`;
}

/** What a yes to going over a budget brings: as much again, for the same day or rollout. Null where that day is over. */
export function extendBudget(
  rollout: Rollout,
  seen: Observation,
): { readonly event: BudgetEvent; readonly told: string } | null {
  const limit = standingOf(rollout, seen)?.limits.find(({ name }) => name === lastAsked(rollout));
  if (limit === undefined) return null;
  const span = { hour: 'an hour of this rollout', day: 'today', rollout: 'this rollout' }[limit.scope];
  return { event: mark('budget_extended', limit), told: `${moneyText(limit.baseMicros)} more for ${span}` };
}

/** What a person should know of the budgets, most urgent first; empty while they are far from used up. */
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
      return `budget: ${toldOf(limit, rates)}; goes back to serverless in about ${spanText(leftMs)}`;
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

/** Null where the rollout has no endpoint, or leaves it. */
function standingOf(rollout: Rollout, seen: Observation): Standing | null {
  const since = runsSince(rollout);
  if (since === null) return null;
  const { now } = seen;
  const price = rollout.pricePerHourMicros;
  const spending = seen.spending ?? assumedSpending(price, since, now);
  const rates = { present: spending.ratePerHourMicros, most: Math.max(price, spending.ratePerHourMicros) };
  const limits = limitsOf(budgetOf(seen), rollout.budget ?? [], spending, { most: rates.most, now });
  return { limits, rates, rollbackMs: seen.budget?.rollbackMs ?? ROLLBACK_MS };
}

/** Since when the endpoint costs money; null where there is none, or it is being left. */
function runsSince(rollout: Rollout): number | null {
  if (rollout.phase === 'draining' || isOver(rollout.phase)) return null;
  return rollout.wayBack?.runsSince ?? ('startedAt' in rollout ? rollout.startedAt : null);
}

function stepOf(rollout: Rollout): number {
  return 'step' in rollout ? rollout.step : 0;
}

/** The budget that an open question is about: the newest that was asked about. */
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

function toldOf(limit: Limit, { present }: Rates): string {
  return `${shareText(limit)}; at ${priceText(present)} the rest lasts ${spanText(lasts(limit, present))}`;
}

function askText(limit: Limit, rates: Rates): string {
  return `may it go over? ${toldOf(limit, rates)}; a yes adds ${moneyText(limit.baseMicros)}, without one it goes back in time`;
}
