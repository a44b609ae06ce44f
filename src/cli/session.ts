import type { Argv } from 'yargs';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { StatusReport } from '../core/status.ts';
import { createClock } from '../files/clock.ts';
import { readEnvironment } from '../files/environment.ts';

/** What every command takes. */
export interface GlobalOptions {
  readonly db: string;
  readonly json: boolean;
}

/** A command's parser. It already has the options that every command takes. */
export function withGlobals(parser: Argv): Argv<GlobalOptions> {
  return parser as Argv<GlobalOptions>;
}

/** Adds `--policy FILE` for commands that read a policy without a daemon. */
export function withPolicy<T>(parser: Argv<T>): Argv<T & { readonly policy: string }> {
  return parser.option('policy', {
    type: 'string',
    default: 'policies/default.yaml',
    requiresArg: true,
    describe: 'Path of the policy file',
  });
}

/** Milliseconds of a span such as `30s`, `1.5m` or `2h`; null where it is none. */
export function parseSpan(text: string): number | null {
  const span = /^(\d+(?:\.\d+)?)\s*(s|m|h|d)$/.exec(text.trim());
  const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return span === null ? null : Number(span[1]) * (units[span[2] ?? ''] ?? 0);
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

/** Throws AppError `invalid` for a value that is not a number or out of range, with what is expected. */
export function checkNumber(flag: string, value: number, isGood: boolean, expected: string): void {
  if (isGood && !Number.isNaN(value)) return;
  const message = Number.isNaN(value) ? `--${flag} is not a number` : `--${flag} ${value} is out of range`;
  throw new AppError('invalid', message, { hint: `expected ${expected}` });
}
