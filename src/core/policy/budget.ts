import { z } from 'zod';

/** What may be spent on a route's endpoints, in dollars; null: as much as it takes. Shares 0..1. */
export interface BudgetPolicy {
  /** For all replicas; above it nothing is proposed, and nothing goes on for as long as it takes to spend it. */
  readonly perHour: number | null;
  /** From 00:00 to 24:00 UTC. */
  readonly perDay: number | null;
  /** From the creation of the rollout's endpoint until it is paused. */
  readonly perRollout: number | null;
  /** From this share of a budget on it is said, and from that on a person is asked whether it may be exceeded. */
  readonly warnAt: number;
  readonly askAt: number;
}

export const NO_BUDGET: BudgetPolicy = { perHour: null, perDay: null, perRollout: null, warnAt: 0.8, askAt: 0.9 };

const DOLLARS_WANTED = 'expected dollars above 0 such as 4.50, or none';

const dollars = z
  .union([z.number().positive(), z.literal('none')], { error: DOLLARS_WANTED })
  .transform((value) => (value === 'none' ? null : value))
  .describe('dollars above 0, or none');

/** The block `budget` of a policy. `share`: how a policy writes shares. */
export const budgetSchema = <Share extends z.ZodType<number>>(share: Share) =>
  z.strictObject({ perHour: dollars, perDay: dollars, perRollout: dollars, warnAt: share, askAt: share }).partial();

/** Figure by figure the tighter of two budgets. */
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
