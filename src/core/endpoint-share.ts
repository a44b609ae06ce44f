import type { RoutePolicy } from './policy.ts';
import type { Rollout, WarmEndpoint } from './rollout.ts';
import { isLive, weights } from './rollout.ts';
import { otherShare } from './split.ts';

/** The endpoint that a rollout splits calls with, or may; null where it has none. */
export function endpointOf(rollout: Rollout): WarmEndpoint | null {
  if (isLive(rollout)) return rollout.endpoint;
  return rollout.phase === 'proposed' ? (rollout.wayBack?.endpoint ?? null) : null;
}

/** The endpoint's share of eligible calls, whichever role it plays. */
export function endpointShare(rollout: Rollout | null, policy: Pick<RoutePolicy, 'steps' | 'holdBack'>): number {
  const { weight } = weights(rollout, policy);
  return rollout?.toward === 'serverless' ? otherShare(weight) : weight;
}
