import type { RoutePolicy } from '../../src/core/policy/policy.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { NO_ROLLOUTS, stateOf } from '../../src/core/rollout/route-state.ts';
import type { RouteState } from '../../src/core/rollout/route-state.ts';
import type { Present } from '../../src/daemon/route/watch.ts';

/** The state of a route that has this rollout, which pins this policy, and maybe one that it has replaced. */
export function routeState(active: Rollout | null, policy: RoutePolicy, replaced: Rollout | null = null): RouteState {
  return stateOf({ ...NO_ROLLOUTS, active, replaced }, () => ({ policy, askId: null }));
}

/** Time that moves on with nothing in flight and no costs known. */
export function present(nowMs: number): Present {
  return { nowMs, holeMs: 0, isServerlessOut: false, costs: null, inFlight: { route: 0, endpoint: 0 } };
}
