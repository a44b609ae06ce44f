import { OUTCOMES } from '../../core/outcome.ts';
import type { MeasuredSpeed } from '../../core/sizing/speed.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';
import { startOf } from './history.ts';

/** How many rollouts are read, the newest first, and how many calls of each. */
const MOST_ROLLOUTS = 8;
const MOST_CALLS = 5_000;
/** With fewer calls, or fewer tokens in an answer, the speed is not known well enough. */
const LEAST_CALLS = 50;
const LEAST_TOKENS = 4;

/**
 * How fast the endpoints of a model's rollouts have written, by instance (e.g. `nvidia-l4 x1`): the median time from token
 * to token of the newest streamed answers, and how many calls were in flight on a replica meanwhile. Of each instance the
 * newest rollout with enough calls counts. Rollouts that may have had several replicas are left out, because the ledger
 * does not say how many there were.
 */
export function measuredSpeeds(db: LedgerDb, model: string): Map<string, MeasuredSpeed> {
  const speeds = new Map<string, MeasuredSpeed>();
  const rollouts = db
    .prepare<unknown[], { id: string; instance: string }>(
      `SELECT r.id, json_extract(r.snapshot, '$.instance.instanceType') || ' ' ||
         json_extract(r.snapshot, '$.instance.instanceSize') AS instance
       FROM rollouts r JOIN routes m ON m.id = r.route_id
       WHERE m.model = ? AND json_extract(r.snapshot, '$.instance.instanceType') IS NOT NULL
         AND (SELECT max(json_extract(e.value, '$.endpoint.maxReplica')) FROM policies p, json_each(p.parsed, '$.routes') e
           WHERE p.hash = r.policy_hash AND json_extract(e.value, '$.model') = m.model) = 1
       ORDER BY r.created_at_ms DESC LIMIT ${MOST_ROLLOUTS}`,
    )
    .all(model);
  for (const { id, instance } of rollouts) {
    const speed = speeds.has(instance) ? null : speedOf(db, id);
    if (speed !== null) speeds.set(instance, speed);
  }
  return speeds;
}

function speedOf(db: LedgerDb, rolloutId: string): MeasuredSpeed | null {
  const served = FLAG.served | FLAG.dedicated;
  const rows = db
    .prepare(
      `SELECT ended_at_us, duration_us, first_token_us, output_tokens FROM calls
       WHERE ended_at_us > ? AND rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?)
         AND flags & ${served} = ${served}
         AND outcome_id = ${OUTCOMES.indexOf('ok')} ORDER BY ended_at_us DESC LIMIT ${MOST_CALLS}`,
    )
    .raw()
    .all(startOf(db, rolloutId), rolloutId) as [number, number, number | null, number | null][];
  const paces = rows
    .flatMap(([, duration, first, tokens]) =>
      first === null || tokens === null || tokens < LEAST_TOKENS ? [] : (duration - first) / (tokens - 1),
    )
    .filter((us) => us > 0)
    .sort((a, b) => a - b);
  const perTokenUs = paces[paces.length >> 1];
  const spanUs = (rows[0]?.[0] ?? 0) - (rows.at(-1)?.[0] ?? 0);
  if (perTokenUs === undefined || paces.length < LEAST_CALLS || spanUs <= 0) return null;
  return { perTokenUs, inFlight: Math.max(1, rows.reduce((sum, [, duration]) => sum + duration, 0) / spanUs) };
}
