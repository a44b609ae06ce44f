import { assignedTo } from '../../core/call.ts';
import { presentScaling } from '../../core/decide/present-scaling.ts';
import { isLive } from '../../core/rollout/rollout.ts';
import type { LoadSeen } from '../../core/scaling/route-load.ts';
import type { RolloutStatus } from '../../core/status.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { RouteWatch } from './watch.ts';

/** Looks at what is in flight and tells the load so far; undefined for a route that has no endpoint. */
export function lookAtLoad(watch: RouteWatch, nowMs: number, gateway: Pick<Gateway, 'inFlight'>): LoadSeen | undefined {
  const { load, rollout } = watch;
  if (load === null) return undefined;
  const inFlight = { route: 0, endpoint: 0 };
  const isServing = rollout !== null && isLive(rollout);
  for (const { arrival, isDecided } of isServing ? gateway.inFlight() : []) {
    if (arrival.rolloutId !== rollout?.id || !arrival.isEligible) continue;
    inFlight.route++;
    if (assignedTo(arrival) === 'dedicated' && !isDecided) inFlight.endpoint++;
  }
  const isFresh = isServing && watch.endpoint?.state === 'running';
  load.look(nowMs, inFlight, isFresh ? (watch.endpoint?.readyReplica ?? null) : null);
  return isServing ? load.figures(nowMs, rollout.since) : undefined;
}

/** Calls in five minutes that all ways to serverless take together; null where one of them has not shown it. */
export function serverlessLimit(
  { model, filePolicy }: Pick<RouteWatch, 'model' | 'filePolicy'>,
  gateway: Pick<Gateway, 'lanes'>,
): number | null {
  const lanes = [...gateway.lanes()].filter((lane) => lane.model === model);
  let sum = 0;
  for (const way of ['', ...filePolicy.care.providers]) {
    const limit = lanes.find(({ provider }) => provider === way)?.limit ?? null;
    if (limit === null) return null;
    sum += limit;
  }
  return sum;
}

/** What `status` shows of a rollout's load and scaling. */
export function reportScaling(watch: RouteWatch): Pick<RolloutStatus, 'scaling' | 'load' | 'detour'> {
  const { rollout, load, observedAt } = watch;
  return {
    ...(rollout?.phase === 'promoted' && { scaling: presentScaling(rollout, watch.policy.endpoint) }),
    ...(rollout?.phase === 'promoted' && rollout.detour !== undefined && { detour: rollout.detour }),
    ...(rollout !== null && isLive(rollout) && load !== null && { load: load.figures(observedAt, rollout.since) }),
  };
}
