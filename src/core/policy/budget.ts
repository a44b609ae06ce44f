import { z } from 'zod';

/** What may be spent on a route's endpoints, in dollars; null: no limit. Shares 0..1. */
export interface BudgetPolicy {
  /** For all replicas. If they cost more, no rollout is proposed, and a running one counts as over budget. */
  readonly perHour: number | null;
  /** From 00:00 to 24:00 UTC. */
  readonly perDay: number | null;
  /** From the creation of the rollout's endpoint until it is paused. */
  readonly perRollout: number | null;
  /** From `warnAt` of a budget on a warning is shown. From `askAt` on a person is asked whether it may be exceeded. */
  readonly warnAt: number;
  readonly askAt: number;
}

export const NO_BUDGET: BudgetPolicy = { perHour: null, perDay: null, perRollout: null, warnAt: 0.8, askAt: 0.9 };

const DOLLARS_WANTED = 'expected dollars above 0 such as 4.50, or none';

/** A sum in a policy. */
export const dollars = z
  .union([z.number().positive(), z.literal('none')], { error: DOLLARS_WANTED })
  .transform((value) => (value === 'none' ? null : value))
  .describe('dollars above 0, or none');

/** The block `budget` of a policy. `share`: how a policy writes shares. */
export const budgetSchema = <Share extends z.ZodType<number>>(share: Share) =>
  z.strictObject({ perHour: dollars, perDay: dollars, perRollout: dollars, warnAt: share, askAt: share }).partial();

/** The lower of two budgets, for each of their values. */
export function tighter(one: BudgetPolicy, other: BudgetPolicy): BudgetPolicy {
  const least = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.min(a, b));
  return {
    perHour: least(one.perHour, other.perHour),
    perDay: least(one.perDay, other.perDay),
    perRollout: least(one.perRollout, other.perRollout),
    warnAt: Math.min(one.warnAt, other.warnAt),
    askAt: Math.min(one.askAt, other.askAt),
  };
}
