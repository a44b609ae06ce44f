import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import { readMark, writeMark } from './mark.ts';
import { Reserve } from './reserve.ts';
import { lastSeal } from './seals.ts';

/** Transactions that seal rows. Each is noted outside the file, and none fails for want of room that is kept for it. */
export class Sealing {
  readonly #db: LedgerDb;
  readonly #path: string;
  readonly #reserve: Reserve;
  #marked: number;
  #problem: string | null = null;

  constructor(db: LedgerDb, path: string) {
    this.#db = db;
    this.#path = path;
    this.#reserve = new Reserve(path);
    this.#marked = readMark(path)?.seal ?? 0;
  }

  /** The number of the newest seal that this ledger is known to have had. */
  get newestSeal(): number {
    return this.#marked;
  }

  /** Why the mark is behind; null if it is not. */
  get problem(): string | null {
    return this.#problem;
  }

  /** The room on the disk that is kept for what must be stored. */
  get reserve(): Reserve {
    return this.#reserve;
  }

  /** Does a piece of work that seals rows in one transaction, then notes the newest seal outside the file. */
  do<T>(work: () => T): T {
    return this.#noted(this.#db.transaction(work).immediate(), (write) => write());
  }

  /** The same for what must be stored even if the disk is full. The work may be done several times. */
  doUrgent<T>(work: () => T): T {
    const result = this.#reserve.use(() => this.#db.transaction(work).immediate());
    return this.#noted(result, (write) => this.#reserve.use(write));
  }

  #noted<T>(result: T, using: (write: () => void) => void): T {
    const last = lastSeal(this.#db);
    if (last !== null && last.id !== this.#marked) this.#mark(last, using);
    this.#marked = last?.id ?? 0;
    return result;
  }

  /** The rows are stored by now. A mark that cannot be written stays behind, and shows what it showed before. */
  #mark({ id, hash }: { readonly id: number; readonly hash: string }, using: (write: () => void) => void): void {
    try {
      using(() => writeMark(this.#path, { seal: id, hash }));
      this.#problem = null;
    } catch (error) {
      this.#problem = `the mark beside ${this.#path} cannot be written: ${errorMessage(error)}`;
    }
  }
}
