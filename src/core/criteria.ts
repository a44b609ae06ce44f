import type { CriterionName, DemandCosts } from './criterion.ts';
import { CRITERIA, measure, measureText } from './criterion.ts';
import { spanText } from './decision.ts';
import type { CriteriaPolicy } from './policy.ts';
import type { ServedFigures } from './served.ts';

/** What the criteria look at: one route, one sliding window. */
export interface DemandFigures {
  /** Calls that arrived and were assigned to serverless, sent or not; a repeat of a refused call counts once. */
  readonly calls: number;
  readonly agents: number;
  /** How many of the agents sent no id of their own. */
  readonly derivedAgents: number;
  /** Calls whose first attempt was refused with 429, or that were refused here or held for a while to keep a limit. */
  readonly refused: number;
  /** `refused / calls`, 0 where there are no calls. */
  readonly refusedShare: number;
  /** How serverless answered; absent where no criterion asks for it. */
  readonly served?: ServedFigures;
  /** Null where they are not known, absent where no criterion asks for them. */
  readonly costs?: DemandCosts | null;
}

/** Tells what a window's load costs; null where prices are not known. Must be quick: it is asked every second. */
export type CostsOf = (figures: DemandFigures) => DemandCosts | null;

/** Which criteria are met, and whether that is enough. */
export interface CriteriaResult {
  readonly holds: boolean;
  /** Criteria without a limit in the policy are absent. */
  readonly met: Readonly<Record<'calls' | 'agents' | 'refused', boolean>> &
    Partial<Readonly<Record<CriterionName, boolean>>>;
}

/** Compares the figures of a window with the policy; every limit must be exceeded, not reached. */
export function judgeCriteria(figures: DemandFigures, policy: CriteriaPolicy): CriteriaResult {
  const met: Partial<Record<CriterionName, boolean>> = {};
  for (const { criterion, isMet } of measure(figures, policy)) met[criterion] = met[criterion] === true || isMet;
  const result = met as CriteriaResult['met'];
  return { holds: isEnough(result, policy.require), met: result };
}

function isEnough(met: CriteriaResult['met'], require: CriteriaPolicy['require']): boolean {
  if (isSets(require)) return require.some((set) => set.every((name) => met[name] === true));
  const all = Object.values(met);
  const count = all.filter(Boolean).length;
  return count >= (require === 'all' ? all.length : require === 'any' ? 1 : require.atLeast);
}

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

/** Whether a policy's criteria ask how serverless answers: only then does a window keep it. */
export function needsServed({ slo, predictability }: CriteriaPolicy): boolean {
  return slo !== undefined || predictability !== undefined;
}

/** The figures with what the load costs, where a criterion asks for that. */
export function withCosts(figures: DemandFigures, policy: CriteriaPolicy, costsOf: CostsOf): DemandFigures {
  return policy.cost === undefined ? figures : { ...figures, costs: costsOf(figures) };
}

/** What the criteria saw, figures first: one sentence for a decision. */
export function demandText(figures: DemandFigures, policy: CriteriaPolicy): string {
  const { calls, agents, refusedShare } = figures;
  const told = `${calls} calls, ${agents} agents, ${(refusedShare * 100).toFixed(1)} % refused in ${spanText(policy.window)}`;
  return [told, ...measure(figures, policy).slice(3).map(measureText)].join('; ');
}

/**
 * Whether unnamed agents are what keeps the criteria from holding: calls and refusals are there, agents are not, and
 * most of the agents seen were told apart only by token and user agent.
 */
export function isHiddenByDerivedAgents(figures: DemandFigures, policy: CriteriaPolicy): boolean {
  const { holds, met } = judgeCriteria(figures, policy);
  const isKept = !holds && met.calls && met.refused && !met.agents && figures.derivedAgents * 2 > figures.agents;
  return isKept && judgeCriteria({ ...figures, agents: Number.POSITIVE_INFINITY }, policy).holds;
}
