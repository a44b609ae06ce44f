import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { differsFromFold, foldEvent } from './fold.ts';
import type { Folded } from './fold.ts';
import { events, listRollouts } from './rollouts.ts';
import type { EventRow, RolloutRow } from './rows.ts';

const WRONG = {
  state: 'its state does not follow from its events',
  columns: 'its columns differ from its state',
} as const;

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
  const wrong: string[] = [];
  let checked = 0;
  for (const row of listRollouts(db)) {
    if (isComparable.get(row.id, coreVersion) !== 1) continue;
    checked++;
    const what = faultOf(row, events(db, row.id));
    if (what !== null) wrong.push(`rollout ${row.id}: ${what}`);
  }
  return { wrong, checked };
}

function faultOf(row: RolloutRow, happened: readonly EventRow[]): string | null {
  try {
    const folded = happened.reduce<Folded | null>(foldEvent, null);
    if (folded === null) return 'it has no events';
    const what = differsFromFold(row, folded);
    return what === null ? null : WRONG[what];
  } catch (error) {
    return `its state cannot be made again from its events: ${errorMessage(error)}`;
  }
}
