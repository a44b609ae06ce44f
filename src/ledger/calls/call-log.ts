import type { Call, Recorder, Shadow } from '../../core/call.ts';
import { connect, unreadable } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { CallWriter } from './call-writer.ts';
import type { CallRow } from './call-writer.ts';
import { SYSTEM_TIME } from './time.ts';
import type { Time } from './time.ts';

export interface CallLogOptions {
  /**
   * Writes rows elsewhere than in this thread. Resolves with how many of them were refused for good; rejects where none
   * was written. Rows may be handed over twice and must not be written twice.
   */
  readonly catchUp: (rows: readonly CallRow[], shadows: readonly Shadow[]) => Promise<number>;
  /** How long, in real ms, an answer waits for its row. */
  readonly patienceMs?: number;
  /** How many rows wait in memory before the oldest are given up. */
  readonly mostPending?: number;
  /** Where time comes from: the system, unless a test moves it by hand. */
  readonly time?: Time;
}

const RETRY_AFTER_MS = [1, 2, 5, 10];
/** More rows than this are not written in one go: the gateway's thread must not stand still for long. */
const COMMIT_ROWS = 1_000;
/** While each turn brings at least so many calls, their commit waits: for at most so many calls, and so many ms. */
const BUSY_ROWS = 8;
const BUSY_MOST = 256;
const BUSY_MS = 2;
const CATCH_UP_ROWS = 200;
const CATCH_UP_PAUSE_MS = 20;

/**
 * Where the gateway's finished calls go. Rows that come in one turn of the event loop share a transaction, and their
 * answers are released when it is committed. Where the file cannot take them within the patience, answers go out at
 * once and the rows follow through `catchUp`, until none waits and the file is quick again. Times in real ms.
 */
export class CallLog implements Recorder {
  readonly #db: LedgerDb;
  readonly #writer: CallWriter;
  readonly #catchUp: CallLogOptions['catchUp'];
  readonly #patienceMs: number;
  readonly #mostPending: number;
  readonly #time: Time;
  #rows: CallRow[] = [];
  #releases: (() => void)[] = [];
  #shadows: Shadow[] = [];
  /** How many rows are on their way through `catchUp`. */
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
    this.#catchUp = options.catchUp;
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

  /** Rows that were given up: too many waited, or the file refused their values. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether answers go out before their rows are in the file. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** What the last failed commit said; null since the file takes rows again. */
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

  /** Records rows whose places in the file are known already. `release` is called once for all of them. */
  recordRows(rows: readonly CallRow[], release: () => void): void {
    this.#begin();
    // One release for each row: answers go out by the number of rows that were written.
    rows.forEach((row, n) => {
      this.#rows.push(row);
      this.#releases.push(n === rows.length - 1 ? release : () => undefined);
    });
    this.#schedule();
  }

  /** Whether the file has a call at its place. */
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

  /** Resolves to true when nothing waits any more, or to false after `withinMs`. */
  async flush(withinMs = 5_000): Promise<boolean> {
    if (this.pending === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.#idle.push(resolve);
    await promise;
    clearTimeout(timer);
    return this.pending === 0;
  }

  /** Writes what waits, for at most `withinMs`; what then still waits is lost. */
  async close(withinMs = 5_000): Promise<void> {
    if (this.#isClosed) return;
    await this.flush(withinMs);
    this.#isClosed = true;
    this.#lost += this.pending;
    this.#rows = [];
    this.#shadows = [];
    this.#handedOver = 0;
    this.#release();
    this.#db.close();
  }

  /** Notes since when the oldest row waits. */
  #begin(): void {
    if (this.#rows.length === 0 && this.#shadows.length === 0) this.#oldestAt = this.#time.now();
  }

  #commit(): void {
    this.#isScheduled = false;
    if (this.#isDegraded || this.#isClosed || (this.#rows.length === 0 && this.#shadows.length === 0)) return;
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
    if (leftMs <= 0) {
      this.#degrade();
      return;
    }
    const afterMs = RETRY_AFTER_MS[Math.min(this.#retries++, RETRY_AFTER_MS.length - 1)] as number;
    this.#isScheduled = true;
    this.#time.after(Math.min(afterMs, Math.ceil(leftMs)), () => this.#commit());
  }

  /** From now on answers do not wait, nor do those that waited until now. */
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

  /** Commits, unless calls end in such numbers that waiting for those of the next turn makes each of them cheaper. */
  #look(before: number): void {
    const count = this.#rows.length;
    const isGrowing = count >= before + BUSY_ROWS && count < BUSY_MOST;
    if (isGrowing && this.#time.now() - this.#oldestAt < BUSY_MS) setImmediate(() => this.#look(count));
    else this.#commit();
  }

  /** Hands block after block over until none waits; the answers to these rows have gone out. */
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
        const refused = await this.#catchUp(block, shadows);
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
    // Several at a time: taking one off the front of a long array moves all the others. Shadows are the first to go.
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
