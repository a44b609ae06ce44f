/** The policy: when to migrate a route, how to move its traffic, and what may be spent. */

/** When to migrate. Spans in clock ms, shares 0..1. */
export interface CriteriaPolicy {
  /** The sliding window over which calls are counted. */
  readonly window: number;
  /** Met if more than this many calls arrived for serverless in the window. */
  readonly calls: number;
  /** Met if more than this many distinct agents called in the window. */
  readonly agents: number;
  /** Met above this share of calls that serverless refused (429) first, or that upshift refused or held for a limit. */
  readonly refused: number;
  /** The target for serverless. Met as a reason if its p95 (clock ms) is above, or its share of good answers below. */
  readonly slo?: { readonly p95?: number; readonly availability?: number };
  /** Met if the 99th percentile of the times is more than this many times the median. */
  readonly predictability?: { readonly ratio: number };
  /** Met if an endpoint would save more than this share of the serverless cost at the present demand. */
  readonly cost?: { readonly cheaperBy: number };
  /** How many of the set criteria must be met, or sets of criteria of which one must be met completely. */
  readonly require: 'all' | 'any' | { readonly atLeast: number } | readonly (readonly CriterionName[])[];
  /** How long they must be met without interruption. */
  readonly sustain: number;
  /** For this long after a rollout that did not succeed, nothing is proposed. */
  readonly cooldown: number;
}

/** The reasons to migrate. The first three always have a limit. The others have one if the policy sets it. */
export const CRITERIA = ['calls', 'agents', 'refused', 'slo', 'predictability', 'cost'] as const;
export type CriterionName = (typeof CRITERIA)[number];

/** Whether a policy names sets of criteria, one of which must be met completely. */
export function isSets(require: CriteriaPolicy['require']): require is readonly (readonly CriterionName[])[] {
  return Array.isArray(require);
}

/** What is required, for people: `all of`, `2 of`, or `calls + refused, or slo`. */
export function requireText(require: CriteriaPolicy['require']): string {
  if (isSets(require)) return require.map((set) => set.join(' + ')).join(', or ');
  return typeof require === 'string' ? require : String(require.atLeast);
}

/** The criteria that a policy sets a limit for. */
export function criteriaSet(policy: CriteriaPolicy): CriterionName[] {
  return CRITERIA.filter((name) => policy[name] !== undefined);
}
