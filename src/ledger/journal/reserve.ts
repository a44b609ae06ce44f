import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs';
import { sqliteCode } from '../database.ts';
import { fileCode, realPath } from '../ownership.ts';

const PART_BYTES = 65_536;
const WHOLE_BYTES = 16 * PART_BYTES;
/** If less than this is free beside the reserve, the disk counts as full. */
const SPARE_BYTES = 4 * PART_BYTES;

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** These say that there is no room, or no more that this user may use. */
const FULL: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'SQLITE_FULL',
  'SQLITE_IOERR_WRITE',
  'SQLITE_IOERR_SHMSIZE',
]);

/**
 * Room on the disk that is kept for decisions, so that a rollout can be ended when nothing else can be written any more. It is
 * a file beside the ledger, of which a part is given up at a time.
 */
export class Reserve {
  readonly #path: string;
  #bytes = 0;
  #isShort = false;

  constructor(dbPath: string) {
    this.#path = reservePath(dbPath);
    this.fill();
  }

  /** Whether the disk is so full that what can wait must wait. */
  get isShort(): boolean {
    if (this.#isShort) this.fill();
    return this.#isShort;
  }

  /** Makes the missing parts again if there is room. Does not throw. */
  fill(): void {
    try {
      this.#open((file) => {
        this.#bytes = fstatSync(file).size;
        const missing = Math.max(0, WHOLE_BYTES - this.#bytes);
        this.#isShort = !hasRoom(this.#path, missing + SPARE_BYTES);
        if (missing === 0 || this.#isShort) return;
        // Random, because a file system may store nothing for zeros.
        this.#bytes += writeSync(file, randomBytes(missing));
        fsyncSync(file);
      });
    } catch (error) {
      // It stays as large as it is. What needs the room says so when it fails.
      this.#isShort = isFull(error);
    }
  }

  /** Does work that can wait, and notices if the disk is full. */
  watch<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#isShort ||= isFull(error);
      throw error;
    }
  }

  /** Does work that makes room, for which half of the reserve may be given up. */
  invest<T>(work: () => T): T {
    return this.#use(work, WHOLE_BYTES / 2);
  }

  /** Does work that is to be stored; if the disk is full, gives up one part after the other until it can. */
  use<T>(work: () => T): T {
    return this.#use(work, 0);
  }

  #use<T>(work: () => T, kept: number): T {
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!isFull(error) || !this.#giveUp(kept)) throw error;
      }
    }
  }

  /** Returns false if nothing is left but what is to be kept. */
  #giveUp(kept: number): boolean {
    this.#isShort = true;
    if (this.#bytes <= kept) return false;
    this.#bytes = Math.max(0, this.#bytes - PART_BYTES);
    this.#open((file) => ftruncateSync(file, this.#bytes));
    return true;
  }

  #open(work: (file: number) => void): void {
    const file = openSync(this.#path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      work(file);
    } finally {
      closeSync(file);
    }
  }
}

/** Where a ledger's reserve is. */
export function reservePath(dbPath: string): string {
  return `${realPath(dbPath)}.reserve`;
}

function isFull(error: unknown): boolean {
  return FULL.has(fileCode(error)) || FULL.has(sqliteCode(error));
}

function hasRoom(path: string, bytes: number): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize >= bytes;
}
