import { DAY_MS, HOUR_MS } from '../../core/time.ts';
import { BlockReader, endOfBlock } from '../calls/blocks.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { seal } from './seals.ts';
import type { Sign } from './seals.ts';

/** How long, in clock time, after its end a day is closed: most late rows are there by then. */
const GRACE_MS = HOUR_MS;
/** Before every key of a call, epoch µs. */
export const FIRST_US = Number.MIN_SAFE_INTEGER;

/** A row of `call_closings`. */
interface ClosingRow {
  readonly id: number;
  readonly untilUs: number;
  /** Epoch ms; null while it is being made. */
  readonly closedAt: number | null;
}

/**
 * Closes days of calls: reads all their rows, block by block, so that each can be sealed. All that it knows is in the
 * ledger, so a new process goes on where a former one died.
 */
export class Closing {
  readonly #db: LedgerDb;
  #reader: { readonly of: number; readonly blocks: BlockReader } | null = null;

  /** `db`: a connection for what need not survive a power cut by itself. */
  constructor(db: LedgerDb) {
    this.#db = db;
  }

  /**
   * Does one piece of work, of some milliseconds. `close` closes and seals a closing that has all its blocks; both times
   * are epoch ms. Returns whether there is more to do.
   */
  turn(now: number, close: (id: number, at: number) => void): boolean {
    const closing = this.#current(now);
    if (closing !== null && !this.#step(closing)) close(closing.id, Math.round(now));
    return closing !== null;
  }

  /** The closing that is being made; if there is none, the next one begins if it is due. */
  #current(now: number): ClosingRow | null {
    const last = newestClosing(this.#db);
    if (last !== null && last.closedAt === null) return last;
    const untilUs = dueUntil(this.#db, last, now);
    if (untilUs === null) return null;
    const id = (last?.id ?? 0) + 1;
    // From here on writers note rows before this time as late.
    prepared(this.#db, 'INSERT INTO call_closings (id, until_us) VALUES (?, ?)').run(id, untilUs);
    return { id, untilUs, closedAt: null };
  }

  /** Reads and stores one more block of a closing. Returns false if it has all its blocks. */
  #step({ id, untilUs }: ClosingRow): boolean {
    const startUs = startOfClosing(this.#db, id);
    for (const [lateIn, firstUs, endUs] of [
      [null, startUs, untilUs],
      [id, FIRST_US, startUs],
    ] as const) {
      const fromUs = this.#lastBlock(id, lateIn !== null) ?? firstUs;
      if (fromUs >= endUs) continue;
      this.#storeBlock(id, lateIn, fromUs, endOfBlock(this.#db, lateIn, fromUs, endUs));
      return true;
    }
    return false;
  }

  #lastBlock(id: number, isLate: boolean): number | null {
    const sql = 'SELECT max(until_us) FROM call_blocks WHERE closing_id = ? AND is_late = ?';
    return prepared<[number, number], number | null>(this.#db, sql).pluck().get(id, Number(isLate)) ?? null;
  }

  #storeBlock(id: number, lateIn: number | null, fromUs: number, untilUs: number): void {
    if (this.#reader?.of !== id) this.#reader = { of: id, blocks: new BlockReader(this.#db) };
    const { calls, attempts, shadows, digest } = this.#reader.blocks.read({ lateIn, fromUs, untilUs });
    prepared(
      this.#db,
      `INSERT INTO call_blocks (closing_id, is_late, until_us, call_count, attempt_count, shadow_count, digest)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ).run(id, Number(lateIn !== null), untilUs, calls, attempts, shadows, digest);
  }
}

/** Notes that a closing is complete, and seals it. Call it within a transaction. `at`: epoch ms. */
export function closeAndSeal(
  db: LedgerDb,
  id: number,
  { at, sign }: { readonly at: number; readonly sign: Sign },
): void {
  prepared(db, 'UPDATE call_closings SET closed_at_ms = ? WHERE id = ?').run(at, id);
  seal(db, sign, at, [['calls', id]]);
}

/** Where the rows of a closing begin that are not late, epoch µs: where the one before it ends. */
function startOfClosing(db: LedgerDb, id: number): number {
  const sql = 'SELECT until_us FROM call_closings WHERE id < ? ORDER BY id DESC LIMIT 1';
  return prepared<[number], number>(db, sql).pluck().get(id) ?? FIRST_US;
}

function newestClosing(db: LedgerDb): ClosingRow | null {
  const sql = 'SELECT id, until_us AS untilUs, closed_at_ms AS closedAt FROM call_closings ORDER BY id DESC LIMIT 1';
  return prepared<[], ClosingRow>(db, sql).get() ?? null;
}

/**
 * Until when the next closing reaches, epoch µs; null if none is due. It is due if a day with rows has been over for a
 * while, or, once a day, if rows came late. Late rows do not wait for a day to end, because the clock may have been
 * set back far.
 */
function dueUntil(db: LedgerDb, last: ClosingRow | null, now: number): number | null {
  const latestUs = startOfDay(now - GRACE_MS) * 1_000;
  const startUs = last?.untilUs ?? FIRST_US;
  const firstUs = firstRow(db, startUs);
  if (firstUs !== null && firstUs < latestUs) return (startOfDay(firstUs / 1_000) + DAY_MS) * 1_000;
  const isNextDay = last !== null && startOfDay(now - GRACE_MS) !== startOfDay((last.closedAt ?? now) - GRACE_MS);
  return isNextDay && hasLate(db, last.id + 1) ? Math.max(startUs, latestUs) : null;
}

function firstRow(db: LedgerDb, sinceUs: number): number | null {
  const sql = `SELECT min(first_us) FROM (
    SELECT min(ended_at_us) AS first_us FROM calls WHERE ended_at_us >= @sinceUs
    UNION ALL SELECT min(arrived_at_us) FROM shadows WHERE arrived_at_us >= @sinceUs)`;
  return prepared<object, number | null>(db, sql).pluck().get({ sinceUs }) ?? null;
}

function hasLate(db: LedgerDb, closingId: number): boolean {
  const sql = 'SELECT EXISTS (SELECT 1 FROM late_calls WHERE closing_id = ?)';
  return prepared<[number], number>(db, sql).pluck().get(closingId) === 1;
}

function startOfDay(at: number): number {
  return Math.floor(at / DAY_MS) * DAY_MS;
}
