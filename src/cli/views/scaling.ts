import type { Observation } from '../../core/decide/observation.ts';
import type { Detour } from '../../core/rollout/rollout.ts';
import { numberText as atOnceText } from '../../core/scaling/propose.ts';
import type { ConcurrencySeen } from '../../core/scaling/route-concurrency.ts';
import { scalingText } from '../../core/scaling/scaling.ts';
import type { RolloutStatus } from '../../core/status.ts';
import { spanText } from '../../core/text.ts';
import { countText, timeText } from '../terminal/format.ts';
import { capacityText } from './overflow.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** How many replicas there are, what concurrency they have, and where the traffic is while it is away from them. */
export function scalingLines(rollout: RolloutStatus, page: Page): string[] {
  const { endpoint, scaling, concurrency, detour, load } = rollout;
  const ready = replicasText(endpoint);
  const bounds = scaling === undefined ? '' : `; ${scalingText(scaling)}`;
  return [
    ...(ready === null ? [] : entry('replicas', [`${ready}${bounds}`], page)),
    ...(load === undefined || load.sent === 0 ? [] : entry('capacity', [capacityText(load)], page)),
    ...(concurrency === undefined ? [] : entry('at once', [concurrencyText(concurrency)], page)),
    ...(detour === undefined ? [] : entry('detour', [detourText(detour, page.now)], page)),
  ];
}

/** `1 of 2 ready`; null where nobody has looked. */
export function replicasText(endpoint: Observation['endpoint']): string | null {
  if (endpoint === null || endpoint.readyReplica === null) return null;
  return `${endpoint.readyReplica} of ${endpoint.targetReplica} ready`;
}

/** Calls at once on the endpoint, and what a replica has carried. */
function concurrencyText({ endpoint, route, capacity }: ConcurrencySeen): string {
  const concurrency = `${atOnceText(endpoint.mean)} calls at once on the endpoint (${atOnceText(endpoint.p95)} at p95), ${atOnceText(route.mean)} in all`;
  if (capacity === null) return `${concurrency}; too few to say what a replica can carry`;
  const carried = `a replica has carried ${atOnceText(capacity.carried)}`;
  return `${concurrency}; ${carried}${capacity.isLimit ? ', which is its limit' : '; its limit is not known yet'}`;
}

/** Why the traffic is with serverless, and since when. */
export function detourText(detour: Detour, now: number): string {
  const since = `since ${timeText(detour.since)}, ${spanText(Math.max(0, now - detour.since))}: serverless serves`;
  if (detour.why === 'rescale') return `${since} while the endpoint is changed to ${scalingText(detour.scaling)}`;
  if (detour.wokenAt === undefined) return `${since} while the endpoint sleeps`;
  return `${since} while the endpoint wakes up, for ${spanText(Math.max(0, now - detour.wokenAt))} now`;
}

/** What a decision saw of concurrency and replicas, for `explain`. */
export function seenConcurrencyText({ concurrency }: Observation): string | null {
  return concurrency === undefined ? null : concurrencyText(concurrency);
}

/** What both sides take as far as a decision knew, for `explain`; null if no endpoint served the route. */
export function seenCapacityText({
  concurrency,
  serverlessLimit,
  endpoint,
  endpointFullAt,
}: Observation): string | null {
  if (concurrency === undefined) return null;
  const { capacity } = concurrency;
  const ready = endpoint?.readyReplica ?? null;
  const carries =
    capacity === null || ready === null
      ? 'the limit of the endpoint is not known'
      : `the endpoint carries ${capacity.isLimit ? 'about' : 'at least'} ${atOnceText(capacity.carried * ready)} at once`;
  const full = endpointFullAt === undefined ? '' : `, it last said that it was full at ${atOnceText(endpointFullAt)}`;
  const serverless =
    serverlessLimit == null
      ? 'that of serverless is not known'
      : `serverless takes about ${countText(Math.round(serverlessLimit), 'call')} in 5 min`;
  return `${carries}${full}; ${serverless}`;
}
