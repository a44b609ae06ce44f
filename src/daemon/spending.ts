import type { Clock } from '../core/clock.ts';
import type { Rollout } from '../core/rollout.ts';
import type { Spending } from '../core/spending.ts';
import { shrunkMs, timeoutsOf } from './routes.ts';
import type { RouteWatch } from './watch.ts';

/** What the endpoints of a route's model have cost by now, epoch ms; null where it is not known. */
export type SpendingOf = (watch: RouteWatch, now: number) => Spending | null;

/** How long calls on an endpoint are thought to take to end, as long as none was seen to take longer. */
const CALLS_END_MS = 300_000;
/** From a look at which nothing was due to the next, and from the word to pause until it is carried out. */
const LOOK_AND_PAUSE_MS = 10_000;
/** How long, in real time, calls on the endpoint may take to end once its weight is 0. */
const DRAIN_MS = 30_000;

/** From a look, over the next, until the endpoint is paused with its calls ended, in clock ms: as long as it may be. */
export function wayBackMs(watch: RouteWatch, clock: Clock): number {
  const longest = Math.max(shrunkMs(CALLS_END_MS, clock), watch.longestOnEndpointMs / clock.scale);
  const calls = Math.min(longest, timeoutsOf(watch.policy, clock).totalMs);
  return Math.ceil((calls + shrunkMs(LOOK_AND_PAUSE_MS, clock)) * clock.scale);
}

/**
 * How long, in real ms, the endpoint is kept for calls that are still on it. An endpoint that is left because of its price
 * alone, or only for a while, is a good one: none of its calls is cut off.
 */
export function drainPatienceMs(rollout: Rollout, watch: RouteWatch, clock: Clock): number {
  const isGood = rollout.phase !== 'draining' || rollout.reason.startsWith('over_budget');
  return isGood ? timeoutsOf(watch.policy, clock).totalMs : DRAIN_MS;
}
