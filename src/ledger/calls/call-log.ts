import type { Call, Recorder, Shadow } from '../../core/call.ts';
import { connect, unreadable } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { CallWriter } from './call-writer.ts';
import type { CallRow } from './call-writer.ts';
import { SYSTEM_TIME } from './time.ts';
import type { Time } from './time.ts';

export interface CallLogOptions {
  /**
   * Writes rows in another thread. Resolves with how many of them were refused for good; rejects if none was written. Rows
   * may be handed over twice and must not be written twice.
   */
  readonly catchUp: (rows: readonly CallRow[], shadows: readonly Shadow[]) => Promise<number>;
  /** How long, in real ms, an answer waits for its row. */
  readonly patienceMs?: number;
  /** How many rows wait in memory before the oldest are given up. */
  readonly mostPending?: number;
  /** Whether rows wait, because what is written now would be in vain. */
  readonly isHeld?: () => boolean;
  /** Where time comes from: the system, unless a test moves it by hand. */
  readonly time?: Time;
}

const RETRY_AFTER_MS = [1, 2, 5, 10];
/** At most so many rows are written in one transaction, because the gateway's thread must not stand still for long. */
const COMMIT_ROWS = 1_000;
/** While each turn of the event loop brings at least so many calls, the commit waits; at most for so many calls or ms. */
const BUSY_ROWS = 8;
const BUSY_MOST = 256;
const BUSY_MS = 2;
const CATCH_UP_ROWS = 200;
const CATCH_UP_PAUSE_MS = 20;

/**
 * Records the gateway's finished calls. Rows of one turn of the event loop share a transaction, and their answers are
 * released when it is committed. If the file cannot take them within the patience, answers are released at once and the
 * rows are written through `catchUp`, until none waits and the file is quick again. Times in real ms.
 */
export class CallLog implements Recorder {
  readonly #db: LedgerDb;
  readonly #writer: CallWriter;
  readonly #options: Pick<CallLogOptions, 'catchUp' | 'isHeld'>;
  readonly #patienceMs: number;
  readonly #mostPending: number;
  readonly #time: Time;
  #rows: CallRow[] = [];
  #releases: (() => void)[] = [];
  #shadows: Shadow[] = [];
  /** How many rows `catchUp` is writing. */
  #handedOver = 0;
  #idle: (() => void)[] = [];
  /** The newest time that a row of each gateway has got, epoch µs. */
  readonly #lastEndUs = new Map<number, number>();
  #oldestAt = 0;
  #retries = 0;
  #isScheduled = false;
  #isDegraded = false;
  #isCatchingUp = false;
  #isClosed = false;
  #lost = 0;
  #problem: unknown = null;

  constructor(path: string, options: CallLogOptions) {
    this.#options = options;
    this.#patienceMs = options.patienceMs ?? 50;
    this.#mostPending = options.mostPending ?? 200_000;
    this.#time = options.time ?? SYSTEM_TIME;
    // SQLite itself must not wait for a lock, nor run a checkpoint, in the gateway's thread.
    this.#db = connect(path, { timeout: 0 });
    try {
      this.#db.pragma('synchronous = NORMAL');
      this.#db.pragma('wal_autocheckpoint = 0');
      this.#db.pragma('foreign_keys = OFF');
      this.#writer = new CallWriter(this.#db);
    } catch (error) {
      this.#db.close();
      throw unreadable(path, error);
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Rows in memory that are not yet in the file. */
  get pending(): number {
    return this.#rows.length + this.#shadows.length + this.#handedOver;
  }

  /** How many rows were given up, because too many waited or the file refused their values. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether answers go out before their rows are in the file. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** The error of the last failed commit; null once the file takes rows again. */
  get problem(): unknown {
    return this.#problem;
  }

  record(call: Call, release: () => void): void {
    if (this.#isClosed) {
      this.#lost++;
      queueMicrotask(release);
      return;
    }
    const afterLast = (this.#lastEndUs.get(call.gatewayId) ?? 0) + 1;
    const endedAtUs = Math.max(afterLast, Math.round(call.arrivedAtUs + call.durationUs));
    this.#lastEndUs.set(call.gatewayId, endedAtUs);
    this.#begin();
    this.#rows.push({ endedAtUs, call });
    if (this.#isDegraded) {
      queueMicrotask(release);
      this.#dropOldest();
      void this.#runCatchUp();
      return;
    }
    this.#releases.push(release);
    this.#schedule();
  }

  /** Records rows whose keys are known already. `release` is called once for all of them. */
  recordRows(rows: readonly CallRow[], release: () => void): void {
    this.#begin();
    // One release for each row, because as many are called as rows were written.
    rows.forEach((row, n) => {
      this.#rows.push(row);
      this.#releases.push(n === rows.length - 1 ? release : () => undefined);
    });
    this.#schedule();
  }

  /** Whether the file has a call. */
  has(row: CallRow): boolean {
    return this.#writer.has(row);
  }

  recordShadow(shadow: Shadow): void {
    if (this.#isClosed) {
      this.#lost++;
      return;
    }
    this.#begin();
    this.#shadows.push(shadow);
    if (!this.#isDegraded) return this.#schedule();
    this.#dropOldest();
    void this.#runCatchUp();
  }

  /** Resolves to true when no row waits any more, or to false after `withinMs`. */
  async flush(withinMs = 5_000): Promise<boolean> {
    if (this.pending === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.#idle.push(resolve);
    await promise;
    clearTimeout(timer);
    return this.pending === 0;
  }

  /** Writes the rows that wait, for at most `withinMs` and unless they are held; rows that then still wait are lost. */
  async close(withinMs = 5_000): Promise<void> {
    if (this.#isClosed) return;
    if (this.#options.isHeld?.() !== true) await this.flush(withinMs);
    this.#isClosed = true;
    this.#lost += this.pending;
    this.#rows = [];
    this.#shadows = [];
    this.#handedOver = 0;
    this.#release();
    this.#db.close();
  }

  /** Sets since when the oldest row waits. */
  #begin(): void {
    if (this.#rows.length === 0 && this.#shadows.length === 0) this.#oldestAt = this.#time.now();
  }

  #commit(): void {
    this.#isScheduled = false;
    if (this.#isDegraded || this.#isClosed || (this.#rows.length === 0 && this.#shadows.length === 0)) return;
    if (this.#options.isHeld?.() === true) return this.#degrade();
    const startedAt = this.#time.now();
    const rows = this.#rows.slice(0, COMMIT_ROWS);
    const shadows = this.#shadows.slice(0, COMMIT_ROWS);
    try {
      this.#lost += this.#writer.write(rows, shadows);
    } catch (error) {
      this.#problem = error;
      this.#retry();
      return;
    }
    this.#rows = this.#rows.slice(rows.length);
    this.#shadows = this.#shadows.slice(shadows.length);
    this.#retries = 0;
    this.#problem = null;
    if (this.#time.now() - startedAt > this.#patienceMs) this.#degrade();
    else this.#release(rows.length);
    if (this.#rows.length > 0 || this.#shadows.length > 0) this.#schedule();
    this.#tellIdle();
  }

  #retry(): void {
    const leftMs = this.#patienceMs - (this.#time.now() - this.#oldestAt);
    if (leftMs <= 0) return this.#degrade();
    const afterMs = RETRY_AFTER_MS[Math.min(this.#retries++, RETRY_AFTER_MS.length - 1)] as number;
    this.#isScheduled = true;
    this.#time.after(Math.min(afterMs, Math.ceil(leftMs)), () => this.#commit());
  }

  /** Releases all answers that wait. From now on answers do not wait. */
  #degrade(): void {
    this.#retries = 0;
    this.#isDegraded = true;
    this.#dropOldest();
    void this.#runCatchUp();
    this.#release();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isDegraded) return;
    this.#isScheduled = true;
    setImmediate(() => this.#look(0));
  }

  /** Commits, unless so many calls end that each becomes cheaper if the commit waits for those of the next turn. */
  #look(before: number): void {
    const count = this.#rows.length;
    const isGrowing = count >= before + BUSY_ROWS && count < BUSY_MOST;
    if (isGrowing && this.#time.now() - this.#oldestAt < BUSY_MS) setImmediate(() => this.#look(count));
    else this.#commit();
  }

  /** Hands over block after block until no row waits. The answers to these rows are released already. */
  async #runCatchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    let tookMs = 0;
    while ((this.#rows.length > 0 || this.#shadows.length > 0) && !this.#isClosed) {
      const block = this.#rows.splice(0, CATCH_UP_ROWS);
      const shadows = this.#shadows.splice(0, CATCH_UP_ROWS);
      this.#handedOver = block.length + shadows.length;
      const startedAt = this.#time.now();
      try {
        // Not `+=` on the awaited value: rows may be dropped meanwhile, and counted.
        const refused = await this.#options.catchUp(block, shadows);
        this.#lost += refused;
        this.#problem = null;
      } catch (error) {
        this.#problem = error;
        if (!this.#isClosed) {
          this.#rows.unshift(...block);
          this.#shadows.unshift(...shadows);
        }
        this.#handedOver = 0;
        await new Promise<void>((resolve) => this.#time.after(CATCH_UP_PAUSE_MS, resolve));
        continue;
      }
      this.#handedOver = 0;
      tookMs = this.#time.now() - startedAt;
    }
    this.#isCatchingUp = false;
    if (tookMs <= this.#patienceMs) this.#isDegraded = false;
    this.#tellIdle();
  }

  #dropOldest(): void {
    if (this.pending <= this.#mostPending) return;
    // Several at a time, because taking one off the front of a long array moves all others. Copies are given up first.
    const count = Math.max(this.pending - this.#mostPending, Math.floor(this.#mostPending / 100));
    const { length } = this.#shadows.splice(0, count);
    this.#lost += length + this.#rows.splice(0, count - length).length;
  }

  #release(count = this.#releases.length): void {
    const releases = this.#releases.splice(0, count);
    let failure: { readonly error: unknown } | null = null;
    for (const release of releases) {
      try {
        release();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== null) throw failure.error;
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || this.pending > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
