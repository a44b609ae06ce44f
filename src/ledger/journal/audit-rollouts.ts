import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../../core/errors.ts';
import { evolve } from '../../core/rollout/evolve.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { readEvent } from '../../core/rollout/stored.ts';
import type { LedgerDb } from '../database.ts';

interface StoredRollout {
  readonly id: string;
  readonly model: string;
  readonly phase: string;
  readonly toward: string;
  readonly policyHash: string;
  readonly snapshot: string;
}

interface StoredEvent {
  readonly id: number;
  readonly at: number;
  readonly data: string;
}

/**
 * Checks that the state of each rollout follows from its events, which are sealed. A rollout that another version of the
 * core has decided about is left out. Returns what is wrong, a sentence each, and how many rollouts were checked.
 */
export function checkRollouts(db: LedgerDb, coreVersion: number): { wrong: string[]; checked: number } {
  const isComparable = db
    .prepare<[string, number], number>(
      'SELECT NOT EXISTS (SELECT 1 FROM decisions WHERE rollout_id = ? AND core_version <> ?)',
    )
    .pluck();
  const events = db.prepare<[string], StoredEvent>(
    'SELECT id, happened_at_ms AS at, data FROM events WHERE rollout_id = ? ORDER BY id',
  );
  const sql = `SELECT p.id, r.model, p.phase, p.toward, p.policy_hash AS policyHash, p.snapshot
    FROM rollouts p JOIN routes r ON r.id = p.route_id`;
  const wrong: string[] = [];
  let checked = 0;
  for (const row of db.prepare<[], StoredRollout>(sql).all()) {
    if (isComparable.get(row.id, coreVersion) !== 1) continue;
    checked++;
    const what = faultOf(row, events.all(row.id));
    if (what !== null) wrong.push(`rollout ${row.id}: ${what}`);
  }
  return { wrong, checked };
}

function faultOf(row: StoredRollout, events: readonly StoredEvent[]): string | null {
  try {
    const folded = events.reduce<Rollout | null>((state, event) => evolve(state, readEvent(event), event.at), null);
    // As it is written: without the members that are undefined.
    const expected: unknown = JSON.parse(JSON.stringify(folded));
    if (!isDeepStrictEqual(JSON.parse(row.snapshot), expected)) return 'its state does not follow from its events';
    const { id, model, phase, toward, policyHash } = folded as Rollout;
    const columns = { id, model, phase, toward, policyHash };
    const { snapshot: _snapshot, ...stored } = row;
    return isDeepStrictEqual(stored, columns) ? null : 'its columns differ from its state';
  } catch (error) {
    return `its state cannot be made again from its events: ${errorMessage(error)}`;
  }
}
