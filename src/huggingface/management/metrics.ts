import type { ReplicaMinutes } from '../../core/money/books.ts';
import { MINUTE_MS } from '../../core/time.ts';
import { at, number } from '../json.ts';

/** Larger values of `x` are milliseconds, smaller ones seconds, because the API does not document the unit. */
const LATEST_SECONDS = 1e11;

/**
 * Reads `replicasRunning` from the answer to `POST .../metrics` (AllGraphs): `{timeWindowSeconds, replicasRunning:
 * {series: [{status, data: [{x, y}]}]}}`. The spelling of `status` is not documented. If an endpoint starts and then
 * runs within one window, its series overlap, so the largest of them is the billed number. Null if there is no point.
 */
export function readReplicas(body: unknown): ReplicaMinutes | null {
  const series = at(at(body, 'replicasRunning'), 'series');
  const windowMinutes = Math.max(1, Math.round((number(at(body, 'timeWindowSeconds')) ?? 60) / 60));
  const minutes = new Map<number, number>();
  for (const one of Array.isArray(series) ? series : []) {
    const data = at(one, 'data');
    for (const point of Array.isArray(data) ? data : []) {
      const [x, y] = [number(at(point, 'x')), number(at(point, 'y'))];
      if (x === null || y === null) continue;
      const first = Math.floor((x > LATEST_SECONDS ? x : x * 1_000) / MINUTE_MS);
      for (let minute = first; minute < first + windowMinutes; minute++) {
        // A mean over the window may be a fraction. It is rounded up, because at some moment a whole replica ran.
        minutes.set(minute, Math.max(minutes.get(minute) ?? 0, Math.ceil(y)));
      }
    }
  }
  return minutes.size === 0 ? null : { minutes, isByMinute: windowMinutes === 1 };
}
