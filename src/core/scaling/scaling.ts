import type { EndpointPolicy } from '../policy/endpoint.ts';

/** The settings of an endpoint's scaling that can be changed while it runs, as the management API has them. */
export interface Scaling {
  /** 0 if the endpoint may be scaled to zero. */
  readonly minReplica: number;
  readonly maxReplica: number;
  /** Minutes without a call before it is scaled to zero, 15 to 2880. Null: never. Only with `minReplica: 0`. */
  readonly scaleToZeroTimeout: number | null;
  readonly measure: Measure | null;
}

/**
 * When a replica is added: above a number of calls per replica that have no HTTP status yet, over 20 seconds, or above a mean
 * use of the processor or GPU over a minute, in per cent.
 */
export type Measure = { readonly pendingRequests: number } | { readonly hardwareUsage: number };

/** The API's own defaults. */
const DEFAULT_PENDING = 1.5;
const DEFAULT_USAGE = 80;

/**
 * Whether replicas are added by pending calls and not by hardware use. Engines for language models batch and queue. Their GPU
 * is busy at any demand, so only the queue shows that they are full. An engine on a CPU, and TEI, whose calls are short and
 * alike, is full when its hardware is.
 */
export function measuresPending({ engine, accelerator }: Pick<EndpointPolicy, 'engine' | 'accelerator'>): boolean {
  return engine !== 'tei' && accelerator !== 'cpu';
}

/**
 * The scaling that an endpoint is created with: its policy's replicas, but `maxReplica` at most, and the API's default
 * threshold if they may differ.
 */
export function firstScaling(
  endpoint: Pick<EndpointPolicy, 'engine' | 'accelerator' | 'minReplica'>,
  maxReplica: number,
): Scaling {
  const { minReplica } = endpoint;
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

/** Whether the endpoint has the wanted scaling. If no measure is wanted, any measure will do. */
export function isInForce(wanted: Scaling, seen: Scaling): boolean {
  return isSameScaling(wanted, wanted.measure === null ? { ...seen, measure: null } : seen);
}

/** `2 to 4 replicas, another at 9 pending calls each` */
export function scalingText({ minReplica, maxReplica, scaleToZeroTimeout, measure }: Scaling): string {
  const replicas =
    minReplica === maxReplica
      ? `${minReplica} ${minReplica === 1 ? 'replica' : 'replicas'}`
      : `${minReplica} to ${maxReplica} replicas`;
  const sleeps = scaleToZeroTimeout === null ? '' : `, scaled to zero after ${scaleToZeroTimeout} min without a call`;
  return `${replicas}${measure === null ? '' : `, another at ${measureText(measure)}`}${sleeps}`;
}

function measureText(measure: Measure | null): string {
  if (measure === null) return 'nothing';
  if ('pendingRequests' in measure) return `${measure.pendingRequests} pending calls each`;
  return `${measure.hardwareUsage} % use`;
}
