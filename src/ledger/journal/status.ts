import type { StatusReport } from '../../core/status.ts';
import { readReport } from '../../core/stored-status.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';

// Not in a file that the journal's thread loads: it would load the schemas of everything stored with it, in every start.

/** What the daemon last showed of itself. */
export interface SavedStatus {
  /** Null if it cannot be read, e.g. because a daemon of another build wrote it. */
  readonly report: StatusReport | null;
  /** Why it cannot be read: an AppError `invalid`. */
  readonly problem: unknown;
  readonly pid: number;
  /** Epoch ms. */
  readonly updatedAt: number;
}

/**
 * Reads what the daemon last showed of itself; null before the first time. It does not throw if that cannot be read,
 * because an operator must be able to abort a rollout all the same.
 */
export function readStatus(db: LedgerDb): SavedStatus | null {
  const sql = 'SELECT pid, updated_at_ms AS updatedAt, status FROM daemon_status WHERE id = 1';
  const row = prepared<[], { pid: number; updatedAt: number; status: string }>(db, sql).get();
  if (row === undefined) return null;
  const { status, ...saved } = row;
  try {
    return { report: readReport(status), problem: null, ...saved };
  } catch (problem) {
    return { report: null, problem, ...saved };
  }
}
