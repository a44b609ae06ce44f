import type { Clock } from '../core/clock.ts';
import type { StatusReport } from '../core/status.ts';
import { createClock } from '../files/clock.ts';
import { readEnvironment } from '../files/environment.ts';

/** What every command takes. */
export interface GlobalOptions {
  readonly db: string;
  readonly json: boolean;
}

/** The clock that the daemon runs on, as far as the environment tells. */
export function openClock(): Clock {
  const { timeScale, timeStart } = readEnvironment(process.env);
  return createClock({ scale: timeScale, start: timeStart });
}

/**
 * Clock time, epoch ms. A daemon on a scaled clock that this shell's environment does not know of is taken at its last
 * word: its time cannot be told from here.
 */
export function timeOf(clock: Clock, report: StatusReport | null): number {
  return report !== null && report.timeScale !== clock.scale ? report.at : clock.now();
}

/** What a command to type needs so that it reaches the same ledger; undefined where nothing. */
export function commandSuffix(db: string): string | undefined {
  if (db === (process.env['UPSHIFT_DB'] || 'upshift.db')) return undefined;
  return /^[\w./-]+$/.test(db) ? `--db ${db}` : `--db '${db.replaceAll("'", `'\\''`)}'`;
}
