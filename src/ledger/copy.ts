import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../core/errors.ts';
import { COPY_ID, connect, unreadable } from './database.ts';
import type { LedgerDb } from './database.ts';
import { fileCode } from './ownership.ts';

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
  const groupId = group === undefined ? null : groupIdOf(group);
  const temporary = `${target}.${randomBytes(4).toString('hex')}.part`;
  try {
    closeSync(openSync(temporary, 'wx', 0o600));
    vacuumInto(db, temporary);
    if (groupId !== null && group !== undefined) giveTo(temporary, { id: groupId, name: group });
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

function giveTo(path: string, group: { readonly id: number; readonly name: string }): void {
  try {
    chownSync(path, process.geteuid?.() ?? 0, group.id);
    chmodSync(path, 0o640);
  } catch (error) {
    throw new AppError('invalid', `the copy cannot be given to the group ${group.name}`, {
      hint: 'only a member of a group, and root, can give a file to it: add this user to the group',
      cause: error,
    });
  }
}

/** The number of a group, as the operating system has it. */
function groupIdOf(name: string): number {
  try {
    const options = { stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[], timeout: 5_000 };
    const line = execFileSync('getent', ['group', '--', name], options).toString();
    const id = Number(line.split(':')[2]);
    if (Number.isInteger(id)) return id;
  } catch {
    // Said below.
  }
  throw new AppError('invalid', `there is no group ${name}`, { hint: 'name one that `getent group` lists' });
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
  return fileCode(error).startsWith('SQLITE')
    ? unreadable(target, error)
    : new AppError('invalid', `the copy cannot be written to ${target}`, {
        hint: 'check that the folder may be written and has room',
        cause: error,
      });
}
