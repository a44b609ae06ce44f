import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
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

/** What belongs to a ledger, by what follows its name. */
const FILES = ['', '-wal', '-shm', '.lock', '.mark', '.key', '.checkpoints', '.reserve'] as const;
const FOLDERS = { words: '.words', open: '.open', copies: '.copies' } as const;

const OTHERS_WRITE = 0o002;
const OTHERS = 0o007;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;
const ROOT = 0;

/** What is known of a file or folder. `own folder`: one that belongs to the ledger. */
type Facts = Pick<Stats, 'uid' | 'mode' | 'nlink'> & { readonly kind: Kind | 'link' | 'other' };
type Kind = 'file' | 'folder' | 'own folder';

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
  const isFolder = kind === 'folder' || kind === 'own folder';
  if (kind === 'link') return refused('it is a symbolic link');
  if (kind === 'other') return refused('it is not the regular file or the folder that it must be');
  // Whoever has root's rights can do everything anyway. But into its own folders a daemon must be able to write.
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
  const found: readonly (readonly [Kind, string])[] = [
    ['folder', dirname(file)],
    ...FILES.map((part) => ['file', file + part] as const),
    ...Object.values(FOLDERS).map((part) => ['own folder', file + part] as const),
  ];
  const isRootReading = me === ROOT && use === 'read';
  const uid = isRootReading && existsSync(file) ? statSync(file).uid : me;
  return found.flatMap(([kind, each]) => {
    const facts = factsOf(each, kind);
    const doubt = facts === null ? null : doubtOf(facts, uid);
    if (doubt === null) return [];
    if (doubt.refuses) throw refusal(each, doubt.why, use);
    return [`${each}: ${doubt.why}, so that each of its members can change what the ledger says`];
  });
}

/** Takes from everybody but the owner and the group what they may do with the files of a ledger. */
export function keepPrivate(path: string): void {
  const file = realPath(path);
  for (const part of FILES) {
    const stat = lstatOf(file + part);
    if (stat?.isFile() === true && (stat.mode & OTHERS) !== 0) chmodSync(file + part, stat.mode & 0o770);
  }
}

/** Where the words for a ledger's daemon are. */
export function wordsPath(path: string): string {
  return realPath(path) + FOLDERS.words;
}

/** Where a ledger's daemon publishes what it asks and answers, for those who may not read the ledger. */
export function openPath(path: string): string {
  return realPath(path) + FOLDERS.open;
}

/** Where a ledger's daemon puts copies for those who may read, but not the ledger itself. */
export function copiesPath(path: string): string {
  return realPath(path) + FOLDERS.copies;
}

/** Where it stands who may do what with a ledger's daemon. */
export function rolesPath(path: string): string {
  return `${realPath(path)}.roles`;
}

/**
 * Replaces a file with one that only its owner may read, or others as `mode` says, at once. Nobody's link is followed.
 * `isDurable`: the text is on the disk before it is there.
 */
export function replacePrivate(
  path: string,
  text: string,
  { isDurable = false, mode = 0o600 }: { readonly isDurable?: boolean; readonly mode?: number } = {},
): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: isDurable });
  if (mode !== 0o600) chmodSync(temporary, mode);
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

function factsOf(path: string, expected: Kind): Facts | null {
  const stat = lstatOf(path);
  if (stat === null) return null;
  const isExpected = expected === 'file' ? stat.isFile() : stat.isDirectory();
  const kind = stat.isSymbolicLink() ? 'link' : isExpected ? expected : 'other';
  return { uid: stat.uid, mode: stat.mode, nlink: stat.nlink, kind };
}

function refusal(path: string, why: string, use: 'run' | 'read'): AppError {
  const hint = {
    run:
      'it was not opened, because whoever can write it can invent approvals and send your token elsewhere. Keep a ledger ' +
      'in a folder of its own that only its user may write (mkdir -m 700), and run upshift as this user',
    read:
      'it was not opened, because whoever can write it can change what it says. To read a ledger of another user, ask them ' +
      'for a copy (npx upshift audit copy FILE --group GROUP) or for the role read (docs/approvals.md)',
  };
  return new AppError('conflict', `${path} cannot be trusted: ${why}`, { hint: hint[use] });
}
