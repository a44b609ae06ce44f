import type { Clock } from '../core/clock.ts';
import type { StatusReport } from '../core/status.ts';
import { createClock } from '../files/clock.ts';
import { readEnvironment } from '../files/environment.ts';
import type { LedgerDb } from '../ledger/database.ts';
import { readStatus } from '../ledger/journal/status.ts';
import { openToRead } from './reading.ts';

/** A ledger that a command reads. */
export interface OpenedLedger {
  readonly db: LedgerDb;
  /** The daemon's last report; null if no daemon has run on this ledger. */
  readonly report: StatusReport | null;
  /** The time on the daemon's clock, epoch ms. */
  readonly now: number;
}

/** Opens a ledger for reading, and closes it once `use` has returned. Throws AppError as `openToRead` does. */
export async function readLedger<T>(path: string, use: (ledger: OpenedLedger) => T): Promise<T> {
  const db = await openToRead(path);
  try {
    const report = readStatus(db)?.report ?? null;
    return use({ db, report, now: timeOf(openClock(), report) });
  } finally {
    db.close();
  }
}

/** The daemon's clock, as the environment describes it. */
export function openClock(): Clock {
  const { timeScale, timeStart } = readEnvironment(process.env);
  return createClock({ scale: timeScale, start: timeStart });
}

/**
 * Clock time, whole epoch ms. If the daemon's clock runs at another scale than this environment says, it is the time of the
 * daemon's last report.
 */
export function timeOf(clock: Clock, report: StatusReport | null): number {
  return report !== null && report.timeScale !== clock.scale ? report.at : Math.round(clock.now());
}

/** The option that a further command needs to use the same ledger; undefined if none. */
export function commandSuffix(db: string): string | undefined {
  if (db === (process.env['UPSHIFT_DB'] || 'upshift.db')) return undefined;
  return /^[\w./-]+$/.test(db) ? `--db ${db}` : `--db '${db.replaceAll("'", `'\\''`)}'`;
}
