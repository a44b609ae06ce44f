import type { Measure, Scaling } from '../core/scaling/scaling.ts';
import { at, number } from './status.ts';
import { bearer, limited } from './shape.ts';

/** How long a call that only wakes may take, in real ms: what it is answered does not matter. */
const WAKE_MS = 10_000;

/** The scaling that an endpoint's body tells; null where it cannot be read. `metric` and `threshold` are its old spelling. */
export function readScaling(body: unknown): Scaling | null {
  const scaling = at(at(body, 'compute'), 'scaling');
  const [minReplica, maxReplica] = [number(at(scaling, 'minReplica')), number(at(scaling, 'maxReplica'))];
  if (minReplica === null || maxReplica === null) return null;
  const scaleToZeroTimeout = number(at(scaling, 'scaleToZeroTimeout'));
  return { minReplica, maxReplica, scaleToZeroTimeout, measure: readMeasure(at(scaling, 'measure')) };
}

function readMeasure(measure: unknown): Measure | null {
  const pendingRequests = number(at(measure, 'pendingRequests'));
  if (pendingRequests !== null) return { pendingRequests };
  const hardwareUsage = number(at(measure, 'hardwareUsage'));
  return hardwareUsage === null ? null : { hardwareUsage };
}

/** A change of the scaling and of nothing else: what is left out of a `PUT` stays as it is. */
export function scalingChange({ minReplica, maxReplica, scaleToZeroTimeout, measure }: Scaling): object {
  const scaling = { minReplica, maxReplica, scaleToZeroTimeout, ...(measure !== null && { measure }) };
  return { compute: { scaling } };
}

/**
 * A call that wakes an endpoint which is scaled to zero, as any call does. It asks for the health route, and the proxy need
 * not hold it (`X-Scale-Up-Timeout`, seconds): who waits for the endpoint looks again. Never rejects, but with the reason
 * of a signal that has ended it.
 */
export async function knock(
  url: string,
  token: string | null,
  healthRoute: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await fetch(`${url}${healthRoute}`, {
      headers: { ...bearer(token), 'x-scale-up-timeout': '1' },
      redirect: 'manual',
      signal: limited(WAKE_MS, signal),
    });
    await response.body?.cancel();
  } catch {
    signal.throwIfAborted();
  }
}
