import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { AppError } from '../core/errors.ts';

/** An open ledger file, as the functions of this room take it. */
export type LedgerDb = Database.Database;

/** Marks a file as a ledger of this program: "upsh" in the header's application id. */
export const APPLICATION_ID = 0x75707368;

/** What a path holds, found without changing a byte of it. `version`: of its schema. */
export type Inspection = { readonly kind: 'absent' } | { readonly kind: 'ledger'; readonly version: number };

/** Opens a connection. `timeout`: how long, in ms, SQLite itself may wait for a lock, blocking the thread. */
export function connect(path: string, options: { timeout: number; readonly?: boolean }): LedgerDb {
  try {
    return new Database(path, { timeout: options.timeout, readonly: options.readonly ?? false });
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * Looks at a path before anything may be written to it. Throws AppError `invalid` for what is no SQLite database and
 * `conflict` for another program's.
 */
export function inspect(path: string): Inspection {
  if (!existsSync(path)) return { kind: 'absent' };
  const stat = statSync(path);
  if (!stat.isFile()) throw new AppError('invalid', `${path} is not a file`, { hint: 'name a file for the ledger' });
  if (stat.size === 0) return { kind: 'absent' };
  // Closing a file that this process also has open through SQLite would drop SQLite's locks on it (POSIX). A file that
  // any process has open in WAL mode has its -shm beside it; and then SQLite itself can look without leaving anything.
  return existsSync(`${path}-shm`) ? inspectOpened(path) : inspectHeader(path);
}

/** Runs a query on a ledger without leaving a trace: no -wal, no -shm, no byte changed. */
export function peek<T>(path: string, look: (db: LedgerDb) => T): T {
  const isInUse = existsSync(`${path}-shm`);
  const db = connect(isInUse ? path : `${pathToFileURL(path).href}?immutable=1`, { timeout: 1_000, readonly: true });
  try {
    return look(db);
  } catch (error) {
    throw error instanceof AppError ? error : unreadable(path, error);
  } finally {
    db.close();
  }
}

/** The error for a file that SQLite cannot read; anything that is an AppError already stays as it is. */
export function unreadable(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = sqliteCode(error);
  if (code === 'SQLITE_NOTADB') return notSqlite(path);
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new AppError('invalid', `${path} is damaged`, {
      hint: 'move it and its -wal file aside to start with an empty ledger; `sqlite3 FILE .recover` may save its rows',
      cause: error,
    });
  }
  return new AppError(isBusy(error) ? 'unavailable' : 'invalid', `cannot open the ledger ${path}`, {
    hint: isBusy(error)
      ? 'another program holds a lock on the file: end it, or wait'
      : 'check that the folder exists and that the file and its folder may be read and written',
    cause: error,
  });
}

/** SQLite's own name for an error, e.g. `SQLITE_BUSY`; empty for what is not SQLite's. */
export function sqliteCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether somebody else's lock was in the way: trying again later may help. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error));
}

function inspectHeader(path: string): Inspection {
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  let length;
  try {
    length = readSync(file, header, 0, 100, 0);
  } finally {
    closeSync(file);
  }
  // Offsets from SQLite's file format: magic at 0, user version at 60, application id at 68.
  if (length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw notSqlite(path);
  return judge(path, header.readUInt32BE(68), header.readUInt32BE(60));
}

function inspectOpened(path: string): Inspection {
  return peek(path, (db) =>
    judge(
      path,
      db.pragma('application_id', { simple: true }) as number,
      db.pragma('user_version', { simple: true }) as number,
    ),
  );
}

function judge(path: string, applicationId: number, version: number): Inspection {
  if (applicationId === APPLICATION_ID) return { kind: 'ledger', version };
  throw new AppError('conflict', `${path} is a database of another program`, {
    hint: 'it was not touched; name another file with --db',
  });
}

function notSqlite(path: string): AppError {
  return new AppError('invalid', `${path} is not an SQLite database`, {
    hint: 'it was not touched; name another file with --db',
  });
}
