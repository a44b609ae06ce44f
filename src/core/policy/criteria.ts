/** The policy: when to migrate a route, how to move its traffic, and what may be spent. */

/** When to migrate. Spans in clock ms, shares 0..1. */
export interface CriteriaPolicy {
  /** The sliding span that the figures are counted over. */
  readonly window: number;
  /** Calls that arrived for serverless in the window: more than this. */
  readonly calls: number;
  /** Distinct agents in the window: more than this. */
  readonly agents: number;
  /** Share of calls refused with 429 at their first attempt, or refused here or held to keep a limit: more than this. */
  readonly refused: number;
  /** What serverless should keep to: missed where its p95 (clock ms) is above, or the share answered well is below. */
  readonly slo?: { readonly p95?: number; readonly availability?: number };
  /** How many times the middle call's time the slowest hundredth takes: more than this. */
  readonly predictability?: { readonly ratio: number };
  /** What part of serverless's costs an endpoint would save at this load: more than this. */
  readonly cost?: { readonly cheaperBy: number };
  /** How many of those that are set must be met, or sets of which one must be met whole. */
  readonly require: 'all' | 'any' | { readonly atLeast: number } | readonly (readonly CriterionName[])[];
  /** How long they must hold without interruption. */
  readonly sustain: number;
  /** How long after a rollout that did not succeed nothing is proposed. */
  readonly cooldown: number;
}

/** The reasons to migrate. The first three always have a limit, the others where the policy sets one. */
export const CRITERIA = ['calls', 'agents', 'refused', 'slo', 'predictability', 'cost'] as const;
export type CriterionName = (typeof CRITERIA)[number];

/** Whether a policy names sets of criteria, one of which must hold whole. */
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
