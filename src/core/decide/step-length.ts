import type { Rollout } from '../rollout/rollout.ts';
import type { Observation } from './observation.ts';

/**
 * How many calls of the canary must have been judged in a step. A way back may need fewer, because its route has little
 * traffic.
 */
export function leastCalls({ toward }: Pick<Rollout, 'toward'>, { policy }: Pick<Observation, 'policy'>): number {
  const { back, limits } = policy;
  return toward === 'serverless' ? (back.minCalls ?? limits.minCalls) : limits.minCalls;
}

/** The shortest time that a step lasts, ms. */
export function bakeTime({ phase }: Pick<Rollout, 'phase'>, { policy }: Pick<Observation, 'policy'>): number {
  return phase === 'holding' ? Math.max(policy.limits.bake, policy.holdBack.time) : policy.limits.bake;
}
