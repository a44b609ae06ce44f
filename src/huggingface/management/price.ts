import type { EndpointsClient } from './endpoints.ts';
import type { EndpointStatus } from './status.ts';

const OFF = new Set<EndpointStatus['state']>(['paused', 'scaledToZero', 'failed']);

/** The cost of an endpoint with its present replicas, micro-dollars per hour; null if the price is unknown. */
export async function priceNow(
  client: Pick<EndpointsClient, 'quote'>,
  namespace: string,
  { state, targetReplica, readyReplica, instance }: EndpointStatus,
  signal?: AbortSignal,
): Promise<{ readonly replicas: number; readonly pricePerHourMicros: number | null }> {
  // An endpoint that is being created costs money from the beginning.
  const replicas = OFF.has(state) ? 0 : Math.max(targetReplica, readyReplica);
  if (replicas === 0) return { replicas, pricePerHourMicros: 0 };
  const price = (await client.quote(namespace, instance, signal)).pricePerHourMicros;
  return { replicas, pricePerHourMicros: price === null ? null : price * replicas };
}
