import { endpointOf } from '../../core/rollout/rollout.ts';
import { DAY_MS } from '../../core/time.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import { concurrencySeen } from './concurrency.ts';
import type { RouteWatch } from './watch.ts';

/** Tells the gateway how much the endpoint of a route was seen to carry, and what may be done with what is more. */
export function tellOverflow(watch: RouteWatch, gateway: Pick<Gateway, 'told'>): void {
  const { rollout, endpoint, filePolicy, overflowDay, perCallMicros, observedAt } = watch;
  const url = rollout === null ? undefined : endpointOf(rollout)?.url;
  if (url === undefined) return;
  const replicas = endpoint?.state === 'running' ? endpoint.readyReplica : null;
  const perReplica = concurrencySeen(watch)?.capacity?.mayCarry;
  gateway.told(
    url,
    { replicas, limit: replicas !== null && replicas > 0 && perReplica !== undefined ? replicas * perReplica : null },
    {
      mayOverflow: overflowDay.mayGoOn(filePolicy.overflow, perCallMicros, observedAt),
      mostRefused: filePolicy.criteria.refused,
    },
  );
}

/** Counts the calls of today that a former process sent to serverless for lack of room. */
export async function restoreOverflow(
  watch: RouteWatch,
  journal: Pick<Journal, 'callsPerMinute'>,
  nowMs: number,
): Promise<void> {
  if (watch.filePolicy.overflow.maxPerDay === null || watch.rollout === null) return;
  const midnightMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const minutes = await journal.callsPerMinute(watch.model, midnightMs);
  watch.overflowDay.count(
    nowMs,
    minutes.reduce((sum, { overflowed }) => sum + overflowed, 0),
  );
}
