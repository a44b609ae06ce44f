import { assignedTo } from '../../core/call.ts';
import { presentScaling } from '../../core/decide/present-scaling.ts';
import { isLive } from '../../core/rollout/rollout.ts';
import type { ConcurrencySeen } from '../../core/scaling/route-concurrency.ts';
import type { RolloutStatus } from '../../core/status.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { RouteWatch } from './watch.ts';

/** Counts the calls in flight and gives the concurrency so far; undefined if the route has no endpoint. */
export function sampleConcurrency(
  watch: RouteWatch,
  nowMs: number,
  gateway: Pick<Gateway, 'inFlight'>,
): ConcurrencySeen | undefined {
  const { concurrency, rollout } = watch;
  if (concurrency === null) return undefined;
  const inFlight = { route: 0, endpoint: 0 };
  const isServing = rollout !== null && isLive(rollout);
  for (const { arrival, isDecided } of isServing ? gateway.inFlight() : []) {
    if (arrival.rolloutId !== rollout?.id || !arrival.isEligible) continue;
    inFlight.route++;
    if (assignedTo(arrival) === 'dedicated' && !isDecided) inFlight.endpoint++;
  }
  const isFresh = isServing && watch.endpoint?.state === 'running';
  concurrency.sample(nowMs, inFlight, isFresh ? (watch.endpoint?.readyReplica ?? null) : null);
  return isServing ? concurrency.figures(nowMs, rollout.since) : undefined;
}

/** Calls in five minutes that all lanes to serverless take together; null if the limit of one is unknown. */
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

/** What `status` shows of a rollout's concurrency and scaling. */
export function reportScaling(watch: RouteWatch): Pick<RolloutStatus, 'scaling' | 'concurrency' | 'detour'> {
  const { rollout, concurrency, observedAt } = watch;
  return {
    ...(rollout?.phase === 'promoted' && { scaling: presentScaling(rollout, watch.policy.endpoint) }),
    ...(rollout?.phase === 'promoted' && rollout.detour !== undefined && { detour: rollout.detour }),
    ...(rollout !== null &&
      isLive(rollout) &&
      concurrency !== null && { concurrency: concurrency.figures(observedAt, rollout.since) }),
  };
}
