import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, rmSync, statSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage } from '../core/errors.ts';
import { copiesPath } from './ownership.ts';
import type { Reply } from './words/published.ts';

/** Somebody who may read, and asks for a copy. `place`: what only they know of its name. `word`: how they said it. */
export interface Reader {
  readonly word: string;
  readonly place: string;
  readonly uid: number;
  readonly user: string;
}

/** How long, in real ms, the making of a copy may take. */
export const COPY_PATIENCE_MS = 300_000;
/** How long, in real ms, a copy can be opened. */
const KEPT_MS = 60_000;
const MOST_KEPT = 4;
const MOST_WAITING = 8;
const LONGEST_COMPLAINT = 1_000;

/** A copy that can be opened. `at`: when it was made. */
interface Kept {
  readonly place: string;
  readonly at: number;
}

interface CopiesOptions {
  readonly dbPath: string;
  /** Says to a reader what became of the word. */
  readonly reply: (word: string, reply: Reply) => void;
  /** Real ms, of any beginning. */
  readonly now?: () => number;
}

/**
 * Makes copies of a ledger for those who have the role `read`, one at a time, in a process of its own: neither the journal
 * nor the gateway waits. A copy is kept for a minute. Whoever has opened it reads on.
 */
export class Copies {
  readonly #given: Required<CopiesOptions>;
  readonly #folder: string;
  readonly #waiting: Reader[] = [];
  #child: ChildProcess | null = null;
  #kept: readonly Kept[] = [];
  #news: string[] = [];

  /** Removes the copies that a former daemon has left. */
  constructor(given: CopiesOptions) {
    this.#given = { now: () => performance.now(), ...given };
    this.#folder = copiesPath(given.dbPath);
    this.#remove(() => true);
  }

  /** Makes a copy, or says why not. */
  ask(reader: Reader): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#refuse(reader, `${MOST_WAITING} others wait for a copy: ask again in a moment`);
      return;
    }
    this.#waiting.push(reader);
    this.#next();
  }

  /** Removes copies that are old. Returns what has happened since the last time, a sentence each. */
  sweep(): string[] {
    const since = this.#given.now() - KEPT_MS;
    this.#keep(this.#kept.filter(({ at }) => at > since));
    return this.#news.splice(0);
  }

  close(): void {
    this.#waiting.length = 0;
    this.#child?.kill('SIGKILL');
  }

  #next(): void {
    if (this.#child !== null) return;
    const reader = this.#waiting.shift();
    if (reader === undefined) return;
    let problem;
    try {
      problem = this.#lackOfRoom();
      if (problem === null) this.#make(reader);
    } catch (error) {
      problem = errorMessage(error);
    }
    if (problem === null) return;
    this.#refuse(reader, problem);
    this.#next();
  }

  #make(reader: Reader): void {
    const { dbPath } = this.#given;
    const begun = new Date().toISOString();
    const file = import.meta.url.endsWith('.ts') ? './copy-process.ts' : './copy-process.js';
    const script = fileURLToPath(new URL(file, import.meta.url));
    const group = String(statSync(this.#folder).gid);
    const child = spawn(process.execPath, [script, dbPath, copyPath(dbPath, reader.place), group], {
      // It needs no token.
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: COPY_PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    this.#child = child;
    let complaint = '';
    child.stderr.on(
      'data',
      (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, LONGEST_COMPLAINT)),
    );
    child.once('error', (error) => (complaint ||= errorMessage(error)));
    child.once('close', (code, signal) => {
      this.#child = null;
      if (code === 0) this.#made(reader, begun);
      else this.#failed(reader, complaint || `the process that makes it was ended (${signal ?? code})`);
      this.#next();
    });
  }

  #made(reader: Reader, begun: string): void {
    this.#keep([...this.#kept.slice(1 - MOST_KEPT), { place: reader.place, at: this.#given.now() }]);
    this.#news.push(`${reader.user} (user ${reader.uid}) reads a copy of the ledger from ${begun}`);
    this.#given.reply(reader.word, { request: null, result: 'done', message: begun });
  }

  #failed(reader: Reader, complaint: string): void {
    this.#remove((file) => file.startsWith(reader.place));
    // What has no copy behind it need not be secret, and yet says nobody anything.
    this.#refuse(reader, complaint.replaceAll(reader.place, 'copy'));
  }

  #refuse({ word, user, uid }: Reader, why: string): void {
    this.#news.push(`${user} (user ${uid}) gets no copy of the ledger: ${why}`);
    this.#given.reply(word, { request: null, result: 'refused', message: why });
  }

  /** Why there is no room for a copy; null if there is: calls and decisions need the disk, too. */
  #lackOfRoom(): string | null {
    const { dbPath } = this.#given;
    const sizes = ['', '-wal'].map((end) => statSync(dbPath + end, { throwIfNoEntry: false })?.size ?? 0);
    const { bavail, bsize } = statfsSync(this.#folder);
    return lackOfRoom(
      sizes.reduce((sum, size) => sum + size, 0),
      bavail * bsize,
    );
  }

  #keep(kept: readonly Kept[]): void {
    const places = new Set(kept.map(({ place }) => place));
    const gone = new Set(this.#kept.map(({ place }) => place).filter((place) => !places.has(place)));
    this.#kept = kept;
    if (gone.size > 0) this.#remove((file) => gone.has(file.slice(0, -END.length)));
  }

  #remove(isGone: (file: string) => boolean): void {
    try {
      for (const file of readdirSync(this.#folder).filter(isGone)) rmSync(join(this.#folder, file), { force: true });
    } catch (error) {
      this.#news.push(`a copy of the ledger cannot be removed: ${errorMessage(error)}`);
    }
  }
}

const END = '.db';

/** Where the copy of a ledger is that somebody has asked for. */
export function copyPath(dbPath: string, place: string): string {
  return join(copiesPath(dbPath), place + END);
}

/** Why no copy is made of a ledger with so many bytes; null if it may be. As much as the copy takes must stay free. */
export function lackOfRoom(bytes: number, free: number): string | null {
  if (free >= 2 * bytes) return null;
  const text = (size: number) => `${Math.ceil(size / 1e6)} MB`;
  return `the disk has no room for a copy: the ledger has ${text(bytes)}, and ${text(free)} are free`;
}
