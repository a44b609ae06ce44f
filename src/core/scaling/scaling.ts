import type { EndpointPolicy } from '../policy/endpoint.ts';

/** What of an endpoint's scaling can be changed while it runs, as the management API has it. */
export interface Scaling {
  /** 0: it may be scaled to zero. */
  readonly minReplica: number;
  readonly maxReplica: number;
  /** Minutes without a call, 15 to 2880; null: never. Only with `minReplica: 0`. */
  readonly scaleToZeroTimeout: number | null;
  readonly measure: Measure | null;
}

/**
 * When a replica is added: more calls per replica without an HTTP status over 20 seconds, or a mean use of processor or GPU
 * over a minute, in per cent.
 */
export type Measure = { readonly pendingRequests: number } | { readonly hardwareUsage: number };

/** The API's own defaults. */
const DEFAULT_PENDING = 1.5;
const DEFAULT_USAGE = 80;

/**
 * Engines for language models batch and queue: their GPU is busy at any load, and a queue is what tells. What runs on
 * processors, and TEI, whose calls are short and alike, is full when the hardware is.
 */
export function measuresPending({ engine, accelerator }: Pick<EndpointPolicy, 'engine' | 'accelerator'>): boolean {
  return engine !== 'tei' && accelerator !== 'cpu';
}

/** What an endpoint is created with: its policy's replicas, and the API's own thresholds where there is room to scale. */
export function firstScaling(
  endpoint: Pick<EndpointPolicy, 'engine' | 'accelerator' | 'minReplica' | 'maxReplica'>,
): Scaling {
  const { minReplica, maxReplica } = endpoint;
  const first = measuresPending(endpoint) ? { pendingRequests: DEFAULT_PENDING } : { hardwareUsage: DEFAULT_USAGE };
  return { minReplica, maxReplica, scaleToZeroTimeout: null, measure: maxReplica > minReplica ? first : null };
}

export function isSameScaling(a: Scaling, b: Scaling): boolean {
  return (
    a.minReplica === b.minReplica &&
    a.maxReplica === b.maxReplica &&
    a.scaleToZeroTimeout === b.scaleToZeroTimeout &&
    measureText(a.measure) === measureText(b.measure)
  );
}

/** Whether what was wanted is what is seen; a measure that was not told stays as it was. */
export function isInForce(wanted: Scaling, seen: Scaling): boolean {
  return isSameScaling(wanted, wanted.measure === null ? { ...seen, measure: null } : seen);
}

/** `2 to 4 replicas, another at 9 pending calls each` */
export function scalingText({ minReplica, maxReplica, scaleToZeroTimeout, measure }: Scaling): string {
  const replicas =
    minReplica === maxReplica
      ? `${minReplica} ${minReplica === 1 ? 'replica' : 'replicas'}`
      : `${minReplica} to ${maxReplica} replicas`;
  const sleeps = scaleToZeroTimeout === null ? '' : `, asleep after ${scaleToZeroTimeout} min without a call`;
  return `${replicas}${measure === null ? '' : `, another at ${measureText(measure)}`}${sleeps}`;
}

function measureText(measure: Measure | null): string {
  if (measure === null) return 'nothing';
  if ('pendingRequests' in measure) return `${measure.pendingRequests} pending calls each`;
  return `${measure.hardwareUsage} % use`;
}
