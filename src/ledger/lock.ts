import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AppError } from '../core/errors.ts';
import { isBusy } from './database.ts';
import type { LedgerDb } from './database.ts';
import { createPrivate, fileCode, realPath } from './ownership.ts';

/** A lock of this process. It ends when it is released, or when the process ends, also by a crash. */
export interface Lock {
  release(): void;
  /**
   * Takes the lock again after somebody removed or replaced its file; false if another process has it. Does not wait.
   */
  renew(): boolean;
}

const PATIENCE_MS = 200;

/**
 * Makes this process the only daemon of a ledger. The lock is SQLite's write lock on `<db>.lock`, because a crash releases
 * it. Throws AppError `conflict`, which names the process that has the lock.
 */
export function acquireLock(dbPath: string): Lock {
  let held = take(dbPath, PATIENCE_MS);
  return {
    release: () => held.close(),
    renew: () => {
      try {
        const renewed = take(dbPath, 0);
        held.close();
        held = renewed;
        return true;
      } catch {
        return false;
      }
    },
  };
}

function take(dbPath: string, timeoutMs: number): LedgerDb {
  createPrivate(lockPath(dbPath));
  const db = open(lockPath(dbPath), timeoutMs);
  try {
    // Committing the pid releases the lock for a moment. So take it again, and check that no other process wrote its pid.
    for (;;) {
      db.exec('BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL) STRICT; DELETE FROM holder');
      db.prepare('INSERT INTO holder (pid) VALUES (?)').run(process.pid);
      db.exec('COMMIT; BEGIN IMMEDIATE');
      if (readHolder(db) === process.pid) break;
      db.exec('ROLLBACK');
    }
    return db;
  } catch (error) {
    const refused = isBusy(error) ? heldBy(dbPath, readHolder(db)) : unusable(dbPath, error);
    db.close();
    throw refused;
  }
}

/** Whether a daemon holds the ledger's lock. */
export function isLocked(dbPath: string): boolean {
  if (!existsSync(lockPath(dbPath))) return false;
  const db = open(lockPath(dbPath), 0);
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw unusable(dbPath, error);
  } finally {
    db.close();
  }
}

/** Whether a process of this machine runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return fileCode(error) === 'EPERM';
  }
}

/** Where the lock of a ledger is. */
export function lockPath(dbPath: string): string {
  return `${realPath(dbPath)}.lock`;
}

function open(path: string, timeout: number): LedgerDb {
  try {
    return new Database(path, { timeout });
  } catch (error) {
    throw unusable(path, error);
  }
}

function readHolder(db: LedgerDb): number | null {
  try {
    return db.prepare<[], number>('SELECT pid FROM holder').pluck().get() ?? null;
  } catch {
    return null; // The holder has not got as far as writing it.
  }
}

function heldBy(dbPath: string, pid: number | null): AppError {
  const who = pid === null ? 'another process' : `process ${pid}`;
  return new AppError('conflict', `${dbPath} is in use by ${who}, which holds ${lockPath(dbPath)}`, {
    hint: 'one daemon per ledger: stop the other one, or name another file with --db',
  });
}

function unusable(path: string, error: unknown): AppError {
  return new AppError('invalid', `cannot lock ${path}`, {
    hint: 'check that its folder exists and may be written, and that the disk is not full; a .lock file that is not ours may be in the way',
    cause: error,
  });
}
