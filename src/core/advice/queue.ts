import { DELAYED_US } from '../call.ts';
import { FINE, Histogram } from '../stats/histogram.ts';

/** What a queue in front of the limit would have made of past calls. Times in clock ms, shares of all calls. */
export interface Queued {
  readonly heldShare: number;
  /** Held for so long that the criteria count it as refused. */
  readonly delayedShare: number;
  /** Of the calls that were held; null where none was. */
  readonly waitedP50: number | null;
  readonly waitedP95: number | null;
  readonly refused: number;
  readonly refusedShare: number;
}

/** What may go out at once after a quiet moment, as in the gateway's own pace: so much time's worth. */
const BURST_MS = 2_000;

/**
 * Sends calls, in the order of their arrival, through a queue that lets out so many a second. One that would wait longer
 * than `maxWaitMs`, or behind more than `most` others, is refused and takes no place.
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
