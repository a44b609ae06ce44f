import { DELAYED_US } from '../call.ts';
import { FINE, Histogram } from '../stats/histogram.ts';

/**
 * The effect that a queue in front of the limit would have had on past calls. Times in clock ms, shares of all calls.
 */
export interface Queued {
  readonly heldShare: number;
  /** Calls held for so long that the criteria count them as refused. */
  readonly delayedShare: number;
  /** Quantiles over the calls that were held; null if none was. */
  readonly waitedP50: number | null;
  readonly waitedP95: number | null;
  readonly refused: number;
  readonly refusedShare: number;
}

/** After a quiet moment the calls of this much time may go out at once, as in the gateway's own limiter. */
const BURST_MS = 2_000;

/**
 * Sends calls, in the order of their arrival, through a queue that lets out `perSecond` calls a second. A call that
 * would wait longer than `maxWaitMs`, or behind more than `most` others, is refused at once and takes no place.
 */
export function queueUp(
  atMs: readonly number[],
  { perSecond, maxWaitMs, most }: { readonly perSecond: number; readonly maxWaitMs: number; readonly most: number },
): Queued {
  const waits = new Histogram(FINE);
  const spacingMs = 1_000 / perSecond;
  const leadMs = Math.max(0, BURST_MS - spacingMs);
  let [nextMs, delayed, refused] = [Number.NEGATIVE_INFINITY, 0, 0];
  for (const at of atMs) {
    const outMs = Math.max(at, nextMs);
    const waitedMs = outMs - at;
    if (waitedMs > maxWaitMs || waitedMs > most * spacingMs) {
      refused++;
      continue;
    }
    nextMs = Math.max(nextMs, at - leadMs) + spacingMs;
    if (waitedMs > 0) waits.add(waitedMs);
    if (waitedMs >= DELAYED_US / 1_000) delayed++;
  }
  const all = Math.max(1, atMs.length);
  return {
    heldShare: waits.total / all,
    delayedShare: delayed / all,
    waitedP50: waits.quantile(0.5),
    waitedP95: waits.quantile(0.95),
    refused,
    refusedShare: refused / all,
  };
}
