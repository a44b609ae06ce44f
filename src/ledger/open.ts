import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { BypassLog } from './calls/bypass.ts';
import { CallLog } from './calls/call-log.ts';
import { connect, isCopy, unreadable } from './database.ts';
import type { LedgerDb } from './database.ts';
import { guarded, openJournal } from './journal/journal.ts';
import type { Journal } from './journal/journal.ts';
import { keyPathOf } from './journal/key.ts';
import { checkMark } from './journal/mark.ts';
import { LEDGER_ID } from './ledger-id.ts';
import { acquireLock, isAlive } from './lock.ts';
import { checkSchema, migrate } from './migrate.ts';
import { checkOwnership, keepPrivate } from './ownership.ts';
import { Presence } from './presence.ts';
import type { Fault } from './presence.ts';
import { closedFolders, makeFolders } from './words/folders.ts';

/** The ledger as the daemon uses it. */
export interface Ledger {
  /** What speaks against the owners and rights of its files. */
  readonly warnings: readonly string[];
  readonly calls: CallLog;
  readonly bypass: BypassLog;
  readonly journal: Journal;
  /** Random, made with the file. It keys the hashes that stand for agents without a name. */
  readonly agentSalt: string;
  /** Random, made with the file. It tells the endpoints of this ledger from those of other ledgers. */
  readonly id: string;
  /** What is wrong with its files since it was opened; null if nothing is. */
  readonly fault: () => Fault | null;
  readonly close: () => Promise<void>;
}

/** A status that a daemon saved so lately, in real ms, is a sign that it runs. */
const FRESH_MS = 5_000;
/** How often, in real ms, it is looked whether the files are where they were. */
const LOOK_EVERY_MS = 250;
/** What to do if a file of an open ledger is gone. */
const FAULT_HINT = 'stop this daemon, put the ledger back in its place, and start it again';

/**
 * Creates or opens a ledger, brings it to the newest schema and keeps other daemons from it. `group`: its members may speak
 * to the daemon, too. Throws AppError and leaves the file as it is: `conflict` if another daemon has it, or another program or build made it; `invalid` if it is no database.
 */
export async function openLedger(
  path: string,
  {
    clock,
    keyPath = keyPathOf(path),
    group = null,
  }: { readonly clock: Clock; readonly keyPath?: string | undefined; readonly group?: string | null | undefined },
): Promise<Ledger> {
  checkFolder(path);
  refuseCopy(path);
  checkOwnership(path, 'run');
  // Before the lock file is made, so that a refused file gets no lock file beside it.
  checkSchema(path);
  const lock = acquireLock(path);
  try {
    checkAlone(path, clock);
    keepPrivate(path);
    makeFolders(path, group);
    migrate(path, clock.now());
    const agentSalt = ensureRandom(path, 'agent_salt', 16);
    const id = ensureRandom(path, LEDGER_ID, 4);
    checkTime(path, clock.scale);
    checkLast(path);
    const opened = await openJournal({ path, keyPath });
    const presence = new Presence(path, lock);
    const journal = guarded(opened, (kind) => refusalOf(presence, kind));
    try {
      // Once more, because another user may have put a file in the way while these were made.
      const warnings = [...checkOwnership(path, 'run'), ...(group === null ? [] : closedFolders(path))];
      const calls = new CallLog(path, {
        catchUp: (rows, shadows) => journal.writeCalls(rows, shadows),
        isHeld: () => presence.fault?.kind === 'ledger',
      });
      const timer = setInterval(() => look(presence, journal), LOOK_EVERY_MS);
      timer.unref();
      const close = async () => {
        clearInterval(timer);
        await calls.close();
        await journal.close();
        lock.release();
      };
      const fault = () => presence.fault;
      return { warnings, calls, bypass: new BypassLog(calls), journal, agentSalt, id, fault, close };
    } catch (error) {
      await journal.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Opens a ledger for reading, whether a daemon has it open or not. Throws AppError: `not_found`, `conflict` if another
 * program or build made it, `invalid` if it is no database.
 */
export function openForReading(path: string): LedgerDb {
  // What a copy says is believed no more than its reader believes its giver. Nothing is done because of it.
  if (existsSync(path) && !isCopy(path)) checkOwnership(path, 'read');
  const schema = checkSchema(path);
  if (schema === 'absent') {
    throw new AppError('not_found', `there is no ledger at ${path}`, {
      hint: 'start the daemon first, or name its file with --db or UPSHIFT_DB',
    });
  }
  if (schema === 'behind') {
    throw new AppError('conflict', `${path} has an older schema`, {
      hint: 'start the daemon of this version once: it brings the file up to date',
    });
  }
  const db = connect(path, { timeout: 5_000 });
  try {
    db.pragma('query_only = ON');
    db.pragma('schema_version');
    return db;
  } catch (error) {
    db.close();
    throw unreadable(path, error);
  }
}

/** Throws AppError `conflict` if a file is a copy for reading: nobody acts on it. */
export function refuseCopy(path: string): void {
  if (!isCopy(path)) return;
  throw new AppError('conflict', `${path} is a copy of a ledger, for reading`, {
    hint: 'name the ledger itself with --db: a daemon runs on it',
  });
}

/** Looks at the files. While one is gone, what is written is moved out of the WAL, which may be gone, too, or be another's. */
function look(presence: Presence, journal: Pick<Journal, 'clearWal'>): void {
  const fault = presence.look();
  if (fault !== null && fault.kind !== 'lock') void journal.clearWal().catch(() => undefined);
}

/** Why nothing of a kind is stored now. It looks at the files before each decision, because a decision must not be in vain. */
function refusalOf(presence: Presence, kind: 'records' | 'decides'): AppError | null {
  const fault = kind === 'decides' ? presence.look() : presence.fault;
  if (fault === null || (kind === 'records' && fault.kind !== 'ledger')) return null;
  return new AppError('unavailable', fault.text, { hint: FAULT_HINT });
}

/**
 * Refuses a ledger on which a daemon of this machine still runs although its lock is free: somebody has removed the lock's
 * file. That daemon takes the lock again within a second.
 */
function checkAlone(path: string, clock: Clock): void {
  if (checkSchema(path) !== 'current') return;
  const db = connect(path, { timeout: 5_000, readonly: true });
  try {
    const sql = 'SELECT pid, updated_at_ms AS at FROM daemon_status';
    const last = db.prepare<[], { pid: number; at: number }>(sql).get();
    if (last === undefined || last.pid === process.pid || !isAlive(last.pid)) return;
    if (Math.abs(clock.now() - last.at) / clock.scale > FRESH_MS) return;
    throw new AppError('conflict', `${path} is in use by process ${last.pid}, although its lock was removed`, {
      hint: 'one daemon per ledger: stop the other one, or name another file with --db. Never remove a lock file',
    });
  } finally {
    db.close();
  }
}

function checkFolder(path: string): void {
  const folder = dirname(path);
  if (existsSync(folder)) return;
  throw new AppError('invalid', `there is no folder ${folder} for the ledger ${path}`, {
    hint: 'make it first, or name another file with --db',
  });
}

/** Refuses a ledger of simulated time in real time, and the reverse: its times and open questions would mean nothing. */
function checkTime(path: string, scale: number): void {
  const db = connect(path, { timeout: 5_000 });
  try {
    const kind = scale === 1 ? 'real' : 'simulated';
    db.prepare("INSERT INTO meta (key, value) VALUES ('time', ?) ON CONFLICT DO NOTHING").run(kind);
    const made = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'time'").pluck().get();
    if (made === kind) return;
    throw new AppError('conflict', `${path} was made in ${made} time, and this daemon runs in ${kind} time`, {
      hint: 'name another file with --db; a ledger of a simulation cannot be taken over by a real daemon',
    });
  } finally {
    db.close();
  }
}

/** Refuses an older copy of a ledger, or another one in its place. */
function checkLast(path: string): void {
  const db = connect(path, { timeout: 5_000, readonly: true });
  try {
    checkMark(path, db);
  } finally {
    db.close();
  }
}

/** A random value in the ledger, as hex: made at the first time, read later. */
function ensureRandom(path: string, key: string, bytes: number): string {
  const db = connect(path, { timeout: 5_000 });
  try {
    const made = randomBytes(bytes).toString('hex');
    db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING').run(key, made);
    return db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck().get(key) as string;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    db.close();
  }
}
