import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../core/errors.ts';
import { COPY_ID, connect, unreadable } from './database.ts';
import type { LedgerDb } from './database.ts';
import { giveToGroup, groupOf } from './group.ts';
import { fileCode } from './ownership.ts';

/** These say that there is no room, or no more that this user may use. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);

/**
 * Writes one state of a ledger into a new file, for others to read, while a daemon goes on writing. Only its user may
 * read it, or with `group` the members of that group of the operating system too. The file carries the mark of a copy:
 * no daemon runs on it, and it may be read whoever owns it. Throws AppError: `conflict` if there is something at
 * `target`, `invalid` if its folder or the group does not exist or the user is not in the group.
 */
export function copyLedger(db: LedgerDb, target: string, group?: string): void {
  if (existsSync(target)) throw occupied(target);
  if (!existsSync(dirname(target))) {
    throw new AppError('invalid', `there is no folder ${dirname(target)} for the copy`, { hint: 'make it first' });
  }
  const given = group === undefined ? null : groupOf(group);
  const temporary = `${target}.${randomBytes(4).toString('hex')}.part`;
  try {
    closeSync(openSync(temporary, 'wx', 0o600));
    vacuumInto(db, temporary);
    if (given !== null) giveToGroup(temporary, given, 0o640);
    // A link fails if somebody has made the file meanwhile; a move would replace it.
    linkSync(temporary, target);
    flush(dirname(target));
  } catch (error) {
    if (fileCode(error) === 'EEXIST') throw occupied(target);
    throw unwritable(target, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function vacuumInto(db: LedgerDb, path: string): void {
  db.pragma('query_only = OFF');
  try {
    db.prepare('VACUUM INTO ?').run(path);
  } finally {
    db.pragma('query_only = ON');
  }
  const copy = connect(path, { timeout: 1_000 });
  try {
    // Whoever may not write the file can then read it without files beside it.
    copy.pragma('journal_mode = DELETE');
    copy.pragma(`application_id = ${COPY_ID}`);
  } finally {
    copy.close();
  }
  flush(path);
}

function flush(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function occupied(target: string): AppError {
  return new AppError('conflict', `${target} exists already`, { hint: 'name another file; nothing was changed' });
}

function unwritable(target: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (NO_ROOM.has(fileCode(error))) {
    return new AppError('unavailable', `the disk has no room for the copy ${target}`, {
      hint: 'make room, or name a file on another disk',
      cause: error,
    });
  }
  return fileCode(error).startsWith('SQLITE')
    ? unreadable(target, error)
    : new AppError('invalid', `the copy cannot be written to ${target}`, {
        hint: 'check that the folder may be written and has room',
        cause: error,
      });
}
