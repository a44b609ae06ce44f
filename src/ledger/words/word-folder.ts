import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import type { Dir } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '../../core/errors.ts';
import { fileCode } from '../ownership.ts';
import { ENDS, LARGEST_WORD, bareWord, fileOf, nameOf, readWord } from './word.ts';
import type { CopyWord, Word } from './word.ts';

/** What the file system knows of a word. */
interface Spoken {
  readonly name: string;
  /** Whose file it is: who says it. */
  readonly uid: number;
  /** When its file was written, epoch ms. Nobody can set this time. */
  readonly at: number;
}

export type SpokenWord = Spoken & Word;
export type SpokenCopyWord = Spoken & CopyWord;

/** What a look into the folder found. `notes`: what was wrong, a sentence each. */
export interface Heard {
  readonly words: readonly (SpokenWord | SpokenCopyWord)[];
  readonly notes: readonly string[];
}

/** At most so many names are read in one look, and so many words and so many other files dealt with. */
const MOST_NAMES = 1_000;
const MOST_FILES = 16;
/** So many names that cannot be removed are remembered; of more nothing is said. */
const MOST_STUCK = 10_000;
/** What is still a part after this time, real ms, is never going to be a word. */
const STALE_PART_MS = 60_000;

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const OTHERS_WRITE = 0o022;

/** These say that the daemon cannot open a file now. Any other error says that the file is no word. */
const LATER: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EINTR', 'EAGAIN']);

/**
 * The folder of words, as the daemon reads it. Whatever others have put into it, a look takes bounded time, and every file
 * gets its turn.
 */
export class WordFolder {
  readonly #path: string;
  /** Words that were found and not read yet, the oldest file first. */
  #due: string[] = [];
  /** What was found beside them, and why it is no word. */
  #strange: (readonly [file: string, why: string])[] = [];
  /** Where the last look at the names ended; null if it saw all. */
  #rest: Dir | null = null;
  /** What cannot be removed: it is said once. */
  readonly #stuck = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Reads the next words, those with the oldest files first. What is no word is removed. The words stay, until `remove`
   * is called with them.
   */
  look(): Heard {
    const notes: string[] = [];
    if (this.#due.length === 0) this.#find();
    const words = this.#due.splice(0, MOST_FILES).flatMap((file) => this.#hear(file, notes));
    for (const [file, why] of this.#strange.splice(0, MOST_FILES)) this.#discard(file, why, notes);
    return { words, notes };
  }

  /** Removes words that were heard. */
  remove(words: readonly Spoken[]): void {
    for (const { name } of words) this.#unlink(fileOf(name));
  }

  close(): void {
    this.#rest?.closeSync();
    this.#rest = null;
  }

  /** Goes on where the last look ended, so that a crowd of files hides no other. */
  #find(): void {
    const found: { readonly file: string; readonly at: bigint }[] = [];
    this.#strange = [];
    for (const file of this.#names()) {
      const stat = lstatSync(join(this.#path, file), { bigint: true, throwIfNoEntry: false });
      if (stat === undefined || this.#stuck.has(file)) continue;
      if (nameOf(file) !== null) found.push({ file, at: stat.ctimeNs });
      else if (!file.endsWith(ENDS.part)) this.#strange.push([file, 'its name is not that of a word']);
      else if (Date.now() - Number(stat.ctimeMs) > STALE_PART_MS) this.#strange.push([file, 'it was never ended']);
    }
    const isBefore = (a: (typeof found)[0], b: (typeof found)[0]) => (a.at === b.at ? a.file < b.file : a.at < b.at);
    this.#due = found.sort((a, b) => (isBefore(a, b) ? -1 : 1)).map(({ file }) => file);
  }

  #names(): string[] {
    const names: string[] = [];
    try {
      this.#rest ??= opendirSync(this.#path, { bufferSize: MOST_NAMES });
      while (names.length < MOST_NAMES) {
        const entry = this.#rest.readSync();
        if (entry === null) {
          this.close();
          break;
        }
        names.push(entry.name);
      }
    } catch (error) {
      // Who speaks next makes the folder again.
      if (fileCode(error) !== 'ENOENT') throw error;
    }
    return names;
  }

  /** The word in a file; nothing if there is none, or none yet. */
  #hear(file: string, notes: string[]): (SpokenWord | SpokenCopyWord)[] {
    try {
      return [readSpoken(this.#path, nameOf(file) ?? '')];
    } catch (error) {
      const code = fileCode(error);
      if (code !== 'ENOENT' && !LATER.has(code)) this.#discard(file, errorMessage(error), notes);
      return [];
    }
  }

  #discard(file: string, why: string, notes: string[]): void {
    const isGone = this.#unlink(file);
    if (!isGone && this.#stuck.size >= MOST_STUCK) return;
    const what = `${join(this.#path, file)} is no word`;
    notes.push(isGone ? `${what}, and was removed: ${why}` : `${what}, and cannot be removed: ${why}`);
    if (!isGone) this.#stuck.add(file);
  }

  /** Returns whether the file is gone. */
  #unlink(file: string): boolean {
    const path = join(this.#path, file);
    try {
      unlinkSync(path);
      return true;
    } catch (error) {
      if (fileCode(error) === 'ENOENT') return true;
    }
    try {
      rmdirSync(path);
      return true;
    } catch {
      return false;
    }
  }
}

/** Throws if it is no word that somebody has said in a file of their own. */
function readSpoken(folder: string, name: string): SpokenWord | SpokenCopyWord {
  const file = openSync(join(folder, fileOf(name)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    // Of the opened file, because another one may be at its path by now.
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.nlink > 1) throw new Error(`it has ${stat.nlink} names (hard links)`);
    if ((stat.mode & OTHERS_WRITE) !== 0) throw new Error('others than its owner may write it');
    const bytes = Buffer.alloc(LARGEST_WORD + 1);
    const length = readSync(file, bytes, 0, bytes.length, 0);
    if (length > LARGEST_WORD) throw new Error(`it has more than ${LARGEST_WORD} bytes`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
    const bare = bareWord(name);
    if (bare !== null && length > 0) throw new Error('its name says it all, and it is not empty');
    return { ...(bare ?? readWord(name, text)), name, uid: stat.uid, at: Math.floor(stat.ctimeMs) };
  } finally {
    closeSync(file);
  }
}
