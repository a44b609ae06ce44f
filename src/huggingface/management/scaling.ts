import type { Scaling } from '../../core/scaling/scaling.ts';
import { bearer, limited } from '../http.ts';

/** Time limit of the wake call, in real ms. It can be short, because the answer does not matter. */
const WAKE_MS = 10_000;

/** The body of a `PUT` that changes only the scaling: fields that are left out stay as they are. */
export function scalingChange({ minReplica, maxReplica, scaleToZeroTimeout, measure }: Scaling): object {
  const scaling = { minReplica, maxReplica, scaleToZeroTimeout, ...(measure !== null && { measure }) };
  return { compute: { scaling } };
}

/**
 * Wakes an endpoint that is scaled to zero: any call wakes it. This call goes to the health route. The proxy need not
 * hold it (`X-Scale-Up-Timeout`, seconds), because the caller checks the endpoint again later. Rejects only with the
 * reason of the signal that ended it.
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
