import type { Scaling } from '../../core/scaling/scaling.ts';
import { bearer, limited } from '../http.ts';

/** How long a call that only wakes may take, in real ms: what it is answered does not matter. */
const WAKE_MS = 10_000;

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
