/**
 * A warning, an ask or an extension of a budget. A budget's name is `hour`, `rollout`, or `day` and the day's number
 * since 1970.
 */
export interface BudgetMark {
  readonly budget: string;
  readonly mark: 'warned' | 'asked' | 'extended';
}

/** A rollout's event about one of its budgets. */
export interface BudgetEvent {
  readonly type: 'budget_warned' | 'budget_asked' | 'budget_extended';
  readonly budget: string;
}

/**
 * The marks after an event. An extension removes the budget's warnings and asks. An event of a new day removes the
 * marks of earlier days.
 */
export function marked(marks: readonly BudgetMark[], { type, budget }: BudgetEvent): readonly BudgetMark[] {
  const mark = type === 'budget_warned' ? 'warned' : type === 'budget_asked' ? 'asked' : 'extended';
  const isPast = (one: BudgetMark) =>
    budget.startsWith('day ') && one.budget.startsWith('day ') && one.budget !== budget;
  const isAnswered = (one: BudgetMark) => mark === 'extended' && one.budget === budget && one.mark !== 'extended';
  return [...marks.filter((one) => !isPast(one) && !isAnswered(one)), { budget, mark }];
}

/**
 * The marks that a rollout passes to the rollout that replaces it. The mark of an open ask is left out, so that it is
 * asked again.
 */
export function handedOn(marks: readonly BudgetMark[], isAskOpen: boolean): readonly BudgetMark[] {
  const open = isAskOpen ? marks.findLastIndex(({ mark }) => mark === 'asked') : -1;
  return marks.filter((_, i) => i !== open);
}

/** How many times a budget has a mark. */
export function countOf(marks: readonly BudgetMark[], budget: string, mark: BudgetMark['mark']): number {
  return marks.filter((one) => one.budget === budget && one.mark === mark).length;
}
