import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';

/** Whether the endpoint of a rollout has served a call that ended at or after a time, epoch ms. */
export function hasServedSince(db: LedgerDb, rolloutId: string, since: number): boolean {
  const sql = `SELECT 1 FROM calls WHERE ended_at_us >= ? AND flags & ${FLAG.dedicated}
      AND rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?) ORDER BY ended_at_us DESC LIMIT 1`;
  return db.prepare<[number, string]>(sql).get(Math.round(since * 1_000), rolloutId) !== undefined;
}
