import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AppError } from '../core/errors.ts';

/** An open ledger file, as the functions of this room take it. */
export type LedgerDb = Database.Database;

/** Marks a file as a ledger of this program: "upsh" in the header's application id. */
export const APPLICATION_ID = 0x75707368;

/** More than the schema and the tables that a ledger is created with take. */
const BEGINNING_BYTES = 1 << 20;

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
  return isInUse(path) ? inspectOpened(path) : inspectHeader(path, stat.size);
}

/**
 * Runs a query on a ledger's schema without leaving a trace: no -wal, no -shm, no byte changed. Where nobody has the file
 * open, SQLite is shown a copy in memory of its beginning, which holds the tables that a ledger was created with.
 */
export function peek<T>(path: string, look: (db: LedgerDb) => T): T {
  const db = isInUse(path) ? connect(path, { timeout: 1_000, readonly: true }) : new Database(readBeginning(path));
  try {
    return look(db);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    db.close();
  }
}

/** The error for a file that SQLite cannot read; anything that is an AppError already stays as it is. */
export function unreadable(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = sqliteCode(error);
  if (code === 'SQLITE_NOTADB') return notSqlite(path);
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(path, error);
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

// Closing a file that this process also has open through SQLite would drop SQLite's locks on it (POSIX). A file that any
// process has open in WAL mode has its -shm beside it; and then SQLite itself can look without leaving anything.
function isInUse(path: string): boolean {
  return existsSync(`${path}-shm`);
}

// Offsets from SQLite's file format: magic at 0, page size at 16, WAL or not at 18 and 19, size in pages at 28, user
// version at 60, application id at 68.
function inspectHeader(path: string, size: number): Inspection {
  const header = readStart(path, 100);
  if (header.length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw notSqlite(path);
  const found = judge(path, header.readUInt32BE(68), header.readUInt32BE(60));
  const isCut = size < header.readUInt32BE(28) * header.readUInt16BE(16);
  if (isCut && !existsSync(`${path}-wal`)) throw damaged(path, undefined);
  return found;
}

function readBeginning(path: string): Buffer {
  const bytes = readStart(path, BEGINNING_BYTES);
  const pageSize = bytes.readUInt16BE(16);
  const pages = Math.floor(bytes.length / pageSize);
  bytes[18] = bytes[19] = 1;
  bytes.writeUInt32BE(pages, 28);
  return bytes.subarray(0, pages * pageSize);
}

function readStart(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
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

function damaged(path: string, cause: unknown): AppError {
  return new AppError('invalid', `${path} is damaged`, {
    hint: 'move it and its -wal file aside to start with an empty ledger; `sqlite3 FILE .recover` may save its rows',
    cause,
  });
}

function notSqlite(path: string): AppError {
  return new AppError('invalid', `${path} is not an SQLite database`, {
    hint: 'it was not touched; name another file with --db',
  });
}
