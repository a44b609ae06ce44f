import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AppError } from '../core/errors.ts';

/** A connection to a ledger file. */
export type LedgerDb = Database.Database;

/** Marks a file as a ledger of this program: "upsh" in the header's application id. */
export const APPLICATION_ID = 0x75707368;
/** Marks a file as a copy of a ledger for reading: "upcp". */
export const COPY_ID = 0x75706370;

/** What is at a path. `version`: number of the newest migration in the file. */
export type Inspection = { readonly kind: 'absent' } | { readonly kind: 'ledger'; readonly version: number };

/** Opens a connection. `timeout`: how long, in ms, SQLite may wait for a lock. The thread is blocked while it waits. */
export function connect(path: string, options: { timeout: number; readonly?: boolean }): LedgerDb {
  try {
    return new Database(path, { timeout: options.timeout, readonly: options.readonly ?? false });
  } catch (error) {
    throw unreadable(path, error);
  }
}

const STATEMENTS = new WeakMap<LedgerDb, Map<string, Database.Statement>>();

/**
 * The statement of a connection with this text, prepared only once: that takes longer than most statements run. It is
 * kept as long as the connection, so the texts must be few. All who use a text must want its rows in the same form,
 * plucked or not.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as in `prepare`: only the caller knows them
export function prepared<Params extends unknown[] | object = unknown[], Row = unknown>(
  db: LedgerDb,
  sql: string,
): ReturnType<typeof db.prepare<Params, Row>> {
  let known = STATEMENTS.get(db);
  if (known === undefined) STATEMENTS.set(db, (known = new Map()));
  let statement = known.get(sql);
  if (statement === undefined) known.set(sql, (statement = db.prepare(sql)));
  return statement as ReturnType<typeof db.prepare<Params, Row>>;
}

/**
 * Finds out what is at a path without changing a byte of it. Throws AppError `invalid` if it is no SQLite database, and
 * `conflict` if it is another program's.
 */
export function inspect(path: string): Inspection {
  if (!existsSync(path)) return { kind: 'absent' };
  const stat = statSync(path);
  if (!stat.isFile()) throw new AppError('invalid', `${path} is not a file`, { hint: 'name a file for the ledger' });
  if (stat.size === 0) return { kind: 'absent' };
  return isInUse(path) ? inspectOpened(path) : inspectHeader(path);
}

/** Whether a file is a copy of a ledger for reading. */
export function isCopy(path: string): boolean {
  // A copy has no files beside it.
  if (!existsSync(path) || isInUse(path) || !statSync(path).isFile()) return false;
  return readHeader(path)?.readUInt32BE(APPLICATION_ID_AT) === COPY_ID;
}

/**
 * Runs a query on a ledger without changing a byte of the file. SQLite may leave its -wal and -shm files beside it, as it
 * does for every reader.
 */
export function peek<T>(path: string, look: (db: LedgerDb) => T): T {
  const db = connect(path, { timeout: 1_000, readonly: true });
  try {
    return look(db);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    db.close();
  }
}

/** The AppError for an error of SQLite about a file; an AppError is returned as it is. */
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

/** SQLite's name for an error, e.g. `SQLITE_BUSY`; empty if it is not an error of SQLite. */
export function sqliteCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether another connection's lock caused the error, so that trying again later may help. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error));
}

// If this process has a file open through SQLite, it must not open and close the file itself: POSIX then drops SQLite's
// locks. A file that any process has open in WAL mode has a -shm file beside it. Then SQLite can read it without a trace.
function isInUse(path: string): boolean {
  return existsSync(`${path}-shm`);
}

// Offsets in SQLite's file format; its magic is at 0. Whether the rest is damaged is SQLite's to say, once it is known that
// the file is ours.
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

function inspectHeader(path: string): Inspection {
  const header = readHeader(path);
  if (header === null) throw notSqlite(path);
  return identify(path, header.readUInt32BE(APPLICATION_ID_AT), header.readUInt32BE(USER_VERSION_AT));
}

/** The header of an SQLite file; null if it is none. Throws AppError `unauthorized` if this user may not read it. */
function readHeader(path: string): Buffer | null {
  const header = Buffer.alloc(100);
  const file = openHeader(path);
  try {
    const length = readSync(file, header, 0, header.length, 0);
    return length === header.length && header.toString('latin1', 0, 16) === 'SQLite format 3\0' ? header : null;
  } finally {
    closeSync(file);
  }
}

function openHeader(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new AppError('unauthorized', `${path} cannot be read by this user`, {
      hint: 'only the user whose daemon writes it may read it; ask for a copy: npx upshift audit copy FILE --group GROUP',
      cause: error,
    });
  }
}

function inspectOpened(path: string): Inspection {
  return peek(path, (db) =>
    identify(
      path,
      db.pragma('application_id', { simple: true }) as number,
      db.pragma('user_version', { simple: true }) as number,
    ),
  );
}

function identify(path: string, applicationId: number, version: number): Inspection {
  if (applicationId === APPLICATION_ID || applicationId === COPY_ID) return { kind: 'ledger', version };
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
