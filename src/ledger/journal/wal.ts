import { statSync } from 'node:fs';
import { isBusy } from '../database.ts';
import type { LedgerDb } from '../database.ts';

/** A WAL of the first size is checkpointed. One of the second size is truncated, even if writers must wait a moment. */
const CHECKPOINT_BYTES = 8 << 20;
const TRUNCATE_BYTES = 64 << 20;

/** Moves what the WAL of a ledger holds into the file if there is enough of it. Readers and writers go on meanwhile. */
export function emptyWal(db: LedgerDb, path: string): void {
  const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (size < CHECKPOINT_BYTES) return;
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
    // Little is left to move now, so writers wait less than their timeout.
    if (size >= TRUNCATE_BYTES) db.pragma('wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

/**
 * Moves all that the WAL holds into the file, and leaves nothing in it: SQLite would add what is left to whatever file
 * somebody puts in the place of this one, and on a full disk it takes room.
 */
export function clearWal(db: LedgerDb): void {
  try {
    db.pragma('wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}
