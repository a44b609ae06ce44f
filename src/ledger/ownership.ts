import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../core/errors.ts';

/** What follows the name of a ledger in the name of its folder of words. */
const WORDS = '.words';

/** What belongs to a ledger, by what follows its name: files, and one folder. */
const PARTS = ['', '-wal', '-shm', '.lock', '.mark', '.key', '.checkpoints', WORDS] as const;

const OTHERS_WRITE = 0o002;
const OTHERS = 0o007;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;
const ROOT = 0;

/** What is known of a file or folder. `words`: the folder of words. */
type Facts = Pick<Stats, 'uid' | 'mode' | 'nlink'> & { readonly kind: 'file' | 'folder' | 'words' | 'link' | 'other' };

/** What speaks against trusting a file or folder of a ledger. */
export interface Doubt {
  /** A part of a sentence: `it belongs to user 1000`. */
  readonly why: string;
  /** Whether the ledger must not be used so. */
  readonly refuses: boolean;
}

/**
 * What speaks against a file or folder of a ledger; null if nothing does. Whoever may write one of them can invent
 * approvals and prices, and can have the token and the prompts sent elsewhere. `uid`: whose ledger it is.
 */
export function doubtOf({ uid: owner, mode, nlink, kind }: Facts, uid: number): Doubt | null {
  const refused = (why: string): Doubt => ({ why, refuses: true });
  const isFolder = kind === 'folder' || kind === 'words';
  if (kind === 'link') return refused('it is a symbolic link');
  if (kind === 'other') return refused('it is not the regular file or the folder that it must be');
  // Whoever has root's rights can do everything anyway. But into its folder of words a daemon must be able to write.
  if (owner !== uid && !(kind === 'folder' && owner === ROOT))
    return refused(`it belongs to user ${owner}, not to user ${uid}`);
  if (!isFolder && nlink > 1) return refused(`it has ${nlink} names (hard links)`);
  // In a folder with this bit nobody else can replace a file of the owner.
  if (isFolder && (mode & STICKY) !== 0) return null;
  if ((mode & OTHERS_WRITE) !== 0) return refused('every user may write it');
  return (mode & GROUP_WRITE) === 0 ? null : { why: 'its group may write it', refuses: false };
}

/**
 * Checks the folder and the files of a ledger. Returns warnings. Throws AppError `conflict` if another user could have
 * changed one of them. Root may read the ledgers of others. `use`: `run` is for the daemon.
 */
export function checkOwnership(path: string, use: 'run' | 'read'): string[] {
  const me = process.geteuid?.();
  // Windows has no such owners.
  if (me === undefined) return [];
  const file = realPath(path);
  const found = PARTS.map((part) => file + part).filter((each) => lstatOf(each) !== null);
  const isRootReading = me === ROOT && use === 'read';
  const uid = isRootReading && existsSync(file) ? statSync(file).uid : me;
  return [dirname(file), ...found].flatMap((each, n) => {
    const facts = factsOf(each, n === 0 ? 'folder' : each === file + WORDS ? 'words' : 'file');
    const doubt = facts === null ? null : doubtOf(facts, uid);
    if (doubt === null) return [];
    if (doubt.refuses) throw refusal(each, doubt.why);
    return [`${each}: ${doubt.why}, so that each of its members can change what the ledger says`];
  });
}

/** Takes from everybody but the owner and the group what they may do with the files of a ledger. */
export function keepPrivate(path: string): void {
  const file = realPath(path);
  for (const part of PARTS) {
    const stat = lstatOf(file + part);
    if (stat?.isFile() === true && (stat.mode & OTHERS) !== 0) chmodSync(file + part, stat.mode & 0o770);
  }
}

/** Where the words for a ledger's daemon are. */
export function wordsPath(path: string): string {
  return realPath(path) + WORDS;
}

/** Where it stands who may do what with a ledger's daemon. */
export function rolesPath(path: string): string {
  return `${realPath(path)}.roles`;
}

/** Makes the folder of words, for the daemon's user alone, and takes from others what they may do with it. */
export function makeWordsFolder(path: string): void {
  const folder = wordsPath(path);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (fileCode(error) !== 'EEXIST') throw error;
    if (lstatOf(folder)?.isDirectory() === true) chmodSync(folder, 0o700);
  }
}

/**
 * Replaces a file with one that only its owner may read, at once. Nobody's link is followed. `isDurable`: the text is on the
 * disk before it is there.
 */
export function replacePrivate(path: string, text: string, isDurable = false): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: isDurable });
  renameSync(temporary, path);
}

/** Creates a file if there is none, and only for its owner. Nobody's link is followed. */
export function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (fileCode(error) !== 'EEXIST') throw error;
  }
}

/** What the file system calls an error, e.g. `EEXIST`; empty if it is not one of its errors. */
export function fileCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** The path without symbolic links, because a ledger is one ledger by whatever name it is opened. */
export function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const folder = dirname(path);
  return existsSync(folder) ? join(realpathSync(folder), basename(path)) : path;
}

function lstatOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function factsOf(path: string, expected: 'file' | 'folder' | 'words'): Facts | null {
  const stat = lstatOf(path);
  if (stat === null) return null;
  const isExpected = expected === 'file' ? stat.isFile() : stat.isDirectory();
  const kind = stat.isSymbolicLink() ? 'link' : isExpected ? expected : 'other';
  return { uid: stat.uid, mode: stat.mode, nlink: stat.nlink, kind };
}

function refusal(path: string, why: string): AppError {
  return new AppError('conflict', `${path} cannot be trusted: ${why}`, {
    hint:
      'it was not opened, because whoever can write it can invent approvals and send your token elsewhere. Keep a ledger ' +
      'in a folder of its own that only its user may write (mkdir -m 700), and run upshift as this user',
  });
}
