/** What was said and granted of a budget. A budget's name: `hour`, `rollout`, or `day` and the day's number since 1970. */
export interface BudgetMark {
  readonly budget: string;
  readonly mark: 'warned' | 'asked' | 'extended';
}

/** What happens to a rollout about its budgets. */
export interface BudgetEvent {
  readonly type: 'budget_warned' | 'budget_asked' | 'budget_extended';
  readonly budget: string;
}

/** The marks after an event: an extension begins warnings and questions anew, and a new day forgets those before it. */
export function marked(marks: readonly BudgetMark[], { type, budget }: BudgetEvent): readonly BudgetMark[] {
  const mark = type === 'budget_warned' ? 'warned' : type === 'budget_asked' ? 'asked' : 'extended';
  const isPast = (one: BudgetMark) =>
    budget.startsWith('day ') && one.budget.startsWith('day ') && one.budget !== budget;
  const isAnswered = (one: BudgetMark) => mark === 'extended' && one.budget === budget && one.mark !== 'extended';
  return [...marks.filter((one) => !isPast(one) && !isAnswered(one)), { budget, mark }];
}

/** The marks that a rollout hands on to one that takes its place: a question that is open is asked there anew. */
export function handedOn(marks: readonly BudgetMark[], isAskOpen: boolean): readonly BudgetMark[] {
  const open = isAskOpen ? marks.findLastIndex(({ mark }) => mark === 'asked') : -1;
  return marks.filter((_, i) => i !== open);
}

/** How often a mark was set on a budget. */
export function countOf(marks: readonly BudgetMark[], budget: string, mark: BudgetMark['mark']): number {
  return marks.filter((one) => one.budget === budget && one.mark === mark).length;
}
