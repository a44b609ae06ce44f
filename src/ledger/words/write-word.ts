import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../core/errors.ts';
import { checkOwnership, fileCode, realPath, wordsPath } from '../ownership.ts';
import { ENDS, newBareName, newName, wordText } from './word.ts';
import type { CopyWord, Word } from './word.ts';

const GROUP_WRITES = 0o020;
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Writes a word for the daemon of a ledger, now or later; it survives a power cut. `isMember`: the writer is only a member
 * of the group that may speak. Returns its name. Throws AppError: `conflict` if another user could remove it, `unavailable`
 * if it cannot be written.
 */
export function writeWord(dbPath: string, word: Word | CopyWord, isMember = false): string {
  const folder = wordsPath(dbPath);
  const name = newName((performance.timeOrigin + performance.now()) * 1_000);
  try {
    if (!isMember) {
      makeFolder(dbPath, folder);
      checkOwnership(dbPath, 'read');
    }
    return write(folder, name, word);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('unavailable', `nothing can be written into ${folder}`, {
      hint: 'check the space of the disk, and that you may write into the folder (upshift start --group)',
      cause: error,
    });
  }
}

/** Only where no daemon of this version ever ran: it makes the folder when it starts. */
function makeFolder(dbPath: string, folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (fileCode(error) === 'EEXIST') return;
    throw error;
  }
  // Root may speak before the first start. The folder is the daemon's all the same.
  const { uid, gid } = statSync(realPath(dbPath));
  if (process.geteuid?.() === 0) chownSync(folder, uid, gid);
}

function write(folder: string, name: string, word: Word | CopyWord): string {
  try {
    return writeWhole(folder, name, wordText(name, word));
  } catch (error) {
    const bare = NO_ROOM.has(fileCode(error)) && word.kind !== 'copy' ? newBareName(word) : null;
    if (bare === null) throw error;
    return writeBare(folder, bare);
  }
}

/** Under another name until it is whole, so that the daemon never reads a part of it. */
function writeWhole(folder: string, name: string, text: string): string {
  const part = join(folder, name + ENDS.part);
  const file = openSync(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(file, modeIn(folder));
    writeSync(file, text);
    fsyncSync(file);
    renameSync(part, join(folder, name + ENDS.word));
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  syncFolder(folder);
  return name;
}

/** Where there is no room for a word, a name says what must not wait: an empty file needs none. */
function writeBare(folder: string, name: string): string {
  const file = openSync(join(folder, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, modeIn(folder));
  try {
    fchmodSync(file, modeIn(folder));
  } finally {
    closeSync(file);
  }
  syncFolder(folder);
  return name;
}

/** The rights that let the daemon read a word in its folder. */
function modeIn(folder: string): number {
  const { uid, mode } = statSync(folder);
  if (uid === process.geteuid?.()) return 0o600;
  // What is not the group's is root's here: nobody but the daemon gets as far as the file.
  return (mode & GROUP_WRITES) !== 0 ? 0o640 : 0o644;
}

/** So that the new name, too, survives a power cut. */
function syncFolder(folder: string): void {
  const opened = openOrNull(folder);
  if (opened === null) return;
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

/** Null for members of the group, who may not read the folder. */
function openOrNull(folder: string): number | null {
  try {
    return openSync(folder, constants.O_RDONLY);
  } catch (error) {
    if (fileCode(error) === 'EACCES') return null;
    throw error;
  }
}
