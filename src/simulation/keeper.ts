import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { AppError } from '../core/errors.ts';
import type { KeptEndpoint } from './endpoint/life.ts';
import type { Usage } from './usage.ts';

/** The state that a killed simulation has again after a restart; times are clock time. */
export interface Kept {
  readonly version: 1;
  readonly startedAt: number;
  readonly port: number;
  /** How the clock runs. It must go on, because endpoints exist and are billed while no process runs. */
  readonly scale: number;
  readonly clockStart: number;
  /** Existing and deleted ones. */
  readonly endpoints: readonly KeptEndpoint[];
  readonly usage: readonly Usage[];
}

/** Writes the state file, so that answered requests survive a kill. */
export interface Keeper {
  /** Writes at once. */
  now(): void;
  /** Writes within a quarter of a second, for events that come with every call. A kill loses at most that time. */
  soon(): void;
  close(): void;
}

const SOON_MS = 250;

/** A keeper for the file at a path; without a path it keeps nothing. */
export function createKeeper(path: string | null, take: () => Kept): Keeper {
  let timer: NodeJS.Timeout | null = null;
  const now = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (path === null) return;
    // The file is replaced as a whole, because a kill during the write must leave the former file intact.
    try {
      writeFileSync(`${path}.new`, JSON.stringify(take()));
      renameSync(`${path}.new`, path);
    } catch (cause) {
      throw new AppError('invalid', `the state file ${path} cannot be written`, { cause, hint: HINT });
    }
  };
  return {
    now,
    soon() {
      if (path !== null) timer ??= setTimeout(now, SOON_MS);
    },
    close() {
      if (timer !== null) now();
    },
  };
}

/** The state that a former process left in the file; null if there is no file yet. Throws AppError `invalid`. */
export function readKept(path: string): Kept | null {
  if (!existsSync(path)) return null;
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Partial<Kept>;
    if (kept.version === 1 && Array.isArray(kept.endpoints) && Array.isArray(kept.usage)) return kept as Kept;
  } catch (cause) {
    throw new AppError('invalid', `the state file ${path} cannot be read`, { cause, hint: HINT });
  }
  throw new AppError('invalid', `${path} is not a state file of a simulation`, { hint: HINT });
}

const HINT = 'name another file with --state, or remove this one to start from nothing';
