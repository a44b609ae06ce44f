import type { LedgerDb } from '../database.ts';

/** An instance that could not be had counts as such for this long, clock ms. */
const LATELY_MS = 86_400_000;

/** The instances that rollouts in a namespace could not have in the last day, as `offerText` writes them. */
export function leftLately(db: LedgerDb, namespace: string, now: number): Set<string> {
  const rows = db.prepare<unknown[], string>(
    `SELECT DISTINCT l.value ->> 'instance' FROM rollouts r, json_each(r.snapshot, '$.left') l
     WHERE r.toward = 'dedicated' AND r.snapshot ->> 'namespace' = ? AND l.value ->> 'at' > ?`,
  );
  return new Set(rows.pluck().all(namespace, now - LATELY_MS));
}
