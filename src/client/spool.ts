import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { APPEND, prepareOwnFile } from './own-file.ts';

/** A lock that is older than this belongs to a dead process, because a live one holds it only for one small write. */
const STALE_MS = 5_000;
const AGAIN_MS = 10;

/** The oldest lines of a spool. */
export interface Batch {
  readonly lines: readonly string[];
  /** The number of lines dropped because the file was full. */
  readonly dropped: number;
}

interface Content {
  readonly lines: string[];
  dropped: number;
}

/**
 * A small file of lines that wait to be reported; all programs with the same path share it. It has a limit of lines;
 * beyond it the oldest are dropped and counted. Lines that cannot be written wait in memory, within the same limit. No
 * method throws.
 */
export class Spool {
  readonly #path: string | null;
  readonly #most: number;
  #waiting: string[] = [];
  #dropped = 0;
  #isWriting = false;
  /** The state of the file when its lines were last counted. */
  #counted = { size: 0, lines: 0 };

  constructor(path: string | null, most: number) {
    this.#path = path;
    this.#most = most;
  }

  /** Adds a line: to the file at once, unless another program holds the lock. */
  add(line: string): void {
    if (this.#path === null) return;
    this.#waiting.push(line);
    this.#dropped += dropOldest(this.#waiting, this.#most);
    if (!this.#isWriting && !this.#tryWrite()) void this.#writeSoon();
  }

  /** The oldest lines, up to a limit. */
  async read(most: number): Promise<Batch> {
    const { lines, dropped } = (await this.#locked((content) => content)) ?? { lines: [], dropped: 0 };
    return { lines: [...lines, ...this.#waiting].slice(0, most), dropped: dropped + this.#dropped };
  }

  /** Removes the lines that were reported. */
  async remove({ lines, dropped }: Batch, nowDropped = 0): Promise<void> {
    const gone = new Set(lines);
    this.#waiting = this.#waiting.filter((line) => !gone.has(line));
    let left = dropped;
    await this.#locked((content, save) => {
      const kept = content.lines.filter((line) => !gone.has(line));
      const inFile = Math.min(content.dropped, left);
      left -= inFile;
      save({ lines: kept, dropped: content.dropped - inFile });
    });
    this.#dropped = Math.max(0, this.#dropped - left) + nowDropped;
  }

  /**
   * Writes the waiting lines. False if another program holds the lock. If the file cannot be written, the lines keep
   * waiting.
   */
  #tryWrite(): boolean {
    const path = this.#path;
    if (path === null || this.#waiting.length === 0) return true;
    try {
      prepareOwnFile(path);
      if (!lock(path)) return false;
    } catch {
      return true;
    }
    try {
      this.#append(path);
    } catch {
      // The line waits in memory, because a full or read-only disk must not fail a call.
    } finally {
      unlock(path);
    }
    return true;
  }

  #append(path: string): void {
    const { waiting, size } = { waiting: this.#waiting, size: sizeOf(path) };
    if (size !== this.#counted.size) this.#counted = { size, lines: readContent(path).lines.length };
    if (this.#counted.lines + waiting.length > this.#most || this.#dropped > 0) {
      const content = readContent(path);
      content.lines.push(...waiting);
      content.dropped += dropOldest(content.lines, this.#most) + this.#dropped;
      this.#save(path, content);
      this.#dropped = 0;
    } else {
      const file = openSync(path, APPEND, 0o600);
      try {
        writeSync(file, waiting.map((line) => `${line}\n`).join(''));
        this.#counted = { size: fstatSync(file).size, lines: this.#counted.lines + waiting.length };
      } finally {
        closeSync(file);
      }
    }
    this.#waiting = [];
  }

  async #writeSoon(): Promise<void> {
    this.#isWriting = true;
    do await pause(AGAIN_MS);
    while (!this.#tryWrite());
    this.#isWriting = false;
  }

  /** Works on the file under the lock; null if there is no file or it cannot be read. */
  async #locked<T>(work: (content: Content, save: (content: Content) => void) => T): Promise<T | null> {
    const path = this.#path;
    if (path === null || sizeOf(path) === 0) return null;
    try {
      prepareOwnFile(path);
      while (!lock(path)) await pause(AGAIN_MS);
    } catch {
      return null;
    }
    try {
      return work(readContent(path), (content) => this.#save(path, content));
    } catch {
      return null;
    } finally {
      unlock(path);
    }
  }

  #save(path: string, { lines, dropped }: Content): void {
    const all = dropped === 0 ? lines : [JSON.stringify({ dropped }), ...lines];
    const temporary = `${path}.new`;
    const text = all.map((line) => `${line}\n`).join('');
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
    this.#counted = { size: Buffer.byteLength(text), lines: lines.length };
  }
}

/** Drops several lines at a time, because each time the whole file is rewritten. Returns their number. */
function dropOldest(lines: string[], most: number): number {
  if (lines.length <= most) return 0;
  return lines.splice(0, Math.max(lines.length - most, Math.floor(most / 10))).length;
}

function readContent(path: string): Content {
  const lines = sizeOf(path) === 0 ? [] : readFileSync(path, 'utf8').split('\n');
  const [, dropped] = /^\{"dropped":(\d+)\}$/.exec(lines[0] ?? '') ?? [];
  if (dropped !== undefined) lines.shift();
  return { lines: lines.filter((line) => line !== ''), dropped: Number(dropped ?? 0) };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Takes the lock; false if another program has it. */
function lock(path: string): boolean {
  const name = `${path}.lock`;
  try {
    closeSync(openSync(name, 'wx', 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const heldSince = statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - heldSince > STALE_MS) unlock(path);
    return false;
  }
}

function unlock(path: string): void {
  try {
    unlinkSync(`${path}.lock`);
  } catch {
    // Another program may have taken the lock because it considered this one dead.
  }
}
