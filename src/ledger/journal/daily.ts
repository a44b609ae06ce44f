import { readFileSync, statSync } from 'node:fs';
import { AppError, errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { realPath, replacePrivate } from '../ownership.ts';
import { checkpointOf, readCheckpoints, writeCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { LedgerKey } from './key.ts';

/** The newest checkpoint in the file beside a ledger. */
export interface DailyCheckpoint extends Checkpoint {
  /** When it was written, epoch ms of real time. */
  readonly at: number;
  /** The signed note if it was written just now; null if it was there before. */
  readonly note: string | null;
}

/** The file of checkpoints beside a ledger: signed notes with an empty line between them, the newest last. */
export function checkpointsPath(dbPath: string): string {
  return `${realPath(dbPath)}.checkpoints`;
}

/**
 * Writes a checkpoint of a ledger behind those in the file, unless the newest one says the same or is younger than
 * `leastAgeMs`. The file is replaced at once, so that it never holds half a note. Returns the newest one; null if the
 * ledger has no seal yet.
 */
export function keepCheckpoint(
  db: LedgerDb,
  dbPath: string,
  { key, leastAgeMs }: { readonly key: LedgerKey; readonly leastAgeMs: number },
): DailyCheckpoint | null {
  const path = checkpointsPath(dbPath);
  const stat = statSync(path, { throwIfNoEntry: false });
  const notes = stat === undefined ? '' : readFileSync(path, 'utf8');
  const last = notes === '' ? undefined : readNotes(path, notes).at(-1);
  const now = checkpointOf(db);
  const isOld = last === undefined || Date.now() - (stat?.mtimeMs ?? 0) >= leastAgeMs;
  if (last !== undefined && (!isOld || last.hash === now?.hash)) {
    return { ...last, at: stat?.mtimeMs ?? 0, note: null };
  }
  if (now === null) return null;
  const note = writeCheckpoint(now, key);
  replacePrivate(path, notes === '' ? note : `${notes}\n${note}`, { isDurable: true });
  return { ...now, at: Date.now(), note };
}

/** Signatures do not matter here, and older ones may be of a key that was lost. */
function readNotes(path: string, notes: string): Checkpoint[] {
  try {
    return readCheckpoints(notes, null);
  } catch (error) {
    throw new AppError('conflict', `${path} was changed: ${errorMessage(error)}`, {
      hint: 'move it aside, and a new one is begun; what is left of it may still be of use to an auditor',
    });
  }
}
