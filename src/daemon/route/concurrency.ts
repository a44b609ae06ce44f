import { presentScaling } from '../../core/decide/present-scaling.ts';
import type { EndpointLoadStatus } from '../../core/overflow/load-status.ts';
import { endpointOf, isLive } from '../../core/rollout/rollout.ts';
import type { ConcurrencySeen } from '../../core/scaling/route-concurrency.ts';
import type { RolloutStatus } from '../../core/status.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { Present, RouteWatch } from './watch.ts';

/** The calls in flight that an endpoint which serves the route could take, and those of them that it has. */
export function inFlightOf(
  { rollout }: Pick<RouteWatch, 'rollout'>,
  gateway: Pick<Gateway, 'inFlight'>,
): Present['inFlight'] {
  const inFlight = { route: 0, endpoint: 0 };
  const isServing = rollout !== null && isLive(rollout);
  for (const { arrival, isOnEndpoint } of isServing ? gateway.inFlight() : []) {
    if (arrival.rolloutId !== rollout?.id || !arrival.isEligible) continue;
    inFlight.route++;
    if (isOnEndpoint) inFlight.endpoint++;
  }
  return inFlight;
}

/** The concurrency when a tick last looked; undefined if no endpoint serves the route. */
export function concurrencySeen({
  rollout,
  concurrency,
  observedAt,
}: Pick<RouteWatch, 'rollout' | 'concurrency' | 'observedAt'>): ConcurrencySeen | undefined {
  return rollout !== null && isLive(rollout) ? concurrency?.figures(observedAt, rollout.since) : undefined;
}

/** Where nothing is known of an endpoint, so many calls at once are tried. */
const TRIED_AT_ONCE = 4;
/** More than it has carried is tried by this factor, so that it is not kept at what it had so far. */
const PROBED = 1.05;

/** How many calls at once the endpoint may get while it takes those of serverless. */
export function carriedAtOnce(watch: Pick<RouteWatch, 'rollout' | 'concurrency' | 'observedAt' | 'endpoint'>): number {
  const seen = concurrencySeen(watch);
  const ready = watch.endpoint?.readyReplica ?? null;
  if (seen?.capacity != null && ready !== null) return ready * seen.capacity.carried * PROBED;
  return Math.max(TRIED_AT_ONCE, (seen?.endpoint.peak ?? 0) * PROBED);
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
export function reportScaling(
  watch: RouteWatch,
  gateway: Pick<Gateway, 'endpointLoad'>,
): Pick<RolloutStatus, 'scaling' | 'concurrency' | 'detour' | 'load'> {
  const { rollout } = watch;
  const load = endpointLoadOf(watch, gateway);
  const concurrency = concurrencySeen(watch);
  return {
    ...(rollout?.phase === 'promoted' && { scaling: presentScaling(rollout, watch.policy.endpoint) }),
    ...(rollout?.phase === 'promoted' && rollout.detour !== undefined && { detour: rollout.detour }),
    ...(load !== null && { load }),
    ...(concurrency !== undefined && { concurrency }),
  };
}

/** How full the endpoint of a route is; null if it has had no call, or if there is none. */
export function endpointLoadOf(
  { rollout }: Pick<RouteWatch, 'rollout'>,
  gateway: Pick<Gateway, 'endpointLoad'>,
): EndpointLoadStatus | null {
  const endpoint = rollout === null ? null : endpointOf(rollout);
  return endpoint === null ? null : gateway.endpointLoad(endpoint.url);
}
