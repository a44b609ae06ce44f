import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { AppError } from '../core/errors.ts';
import type { KeptEndpoint } from './endpoint/life.ts';
import type { Usage } from './usage.ts';

/** What a killed and restarted simulation has again; times are clock time. */
export interface Kept {
  readonly version: 1;
  readonly startedAt: number;
  readonly port: number;
  /** How the clock runs: endpoints go on existing, and being billed, while no process is there. */
  readonly scale: number;
  readonly clockStart: number;
  /** Living and deleted ones. */
  readonly endpoints: readonly KeptEndpoint[];
  readonly usage: readonly Usage[];
}

/** Writes the state file, so that what was answered survives a kill. */
export interface Keeper {
  /** At once. */
  now(): void;
  /** Soon: for what happens with every call. A kill loses at most a quarter of a second of it. */
  soon(): void;
  close(): void;
}

const SOON_MS = 250;

/** A keeper of a file; one without a path keeps nothing. */
export function createKeeper(path: string | null, take: () => Kept): Keeper {
  let timer: NodeJS.Timeout | null = null;
  const now = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (path === null) return;
    // Whole or not at all: a kill in the middle leaves the former file.
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

/** What a former process left in a state file; null where there is none yet. Throws AppError `invalid`. */
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
