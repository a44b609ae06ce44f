import type { CriteriaPolicy } from './policy.ts';

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
}

/** Which criteria are met, and whether that is enough. */
export interface CriteriaResult {
  readonly holds: boolean;
  readonly met: { readonly calls: boolean; readonly agents: boolean; readonly refused: boolean };
}

/** Compares the figures of a window with the policy; every limit must be exceeded, not reached. */
export function judgeCriteria(figures: DemandFigures, policy: CriteriaPolicy): CriteriaResult {
  const met = {
    calls: figures.calls > policy.calls,
    agents: figures.agents > policy.agents,
    refused: figures.refusedShare > policy.refused,
  };
  const count = Number(met.calls) + Number(met.agents) + Number(met.refused);
  const needed = policy.require === 'all' ? 3 : policy.require === 'any' ? 1 : policy.require.atLeast;
  return { holds: count >= needed, met };
}

/**
 * Whether unnamed agents are what keeps the criteria from holding: calls and refusals are there, agents are not, and
 * most of the agents seen were told apart only by token and user agent.
 */
export function isHiddenByDerivedAgents(figures: DemandFigures, policy: CriteriaPolicy): boolean {
  const { holds, met } = judgeCriteria(figures, policy);
  return !holds && met.calls && met.refused && !met.agents && figures.derivedAgents * 2 > figures.agents;
}
