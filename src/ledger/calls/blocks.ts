import type { LedgerDb } from '../database.ts';
import { prepared } from '../database.ts';
import { sha256 } from '../sha256.ts';

/** Calls in a block, about: it takes a few milliseconds to read so many. */
const BLOCK_CALLS = 500;
/** If there are more names than this, the memory is emptied. */
const MOST_NAMES = 100_000;

/** Which calls and copies: those with a time in their key from one moment to another, epoch µs. */
export interface BlockRange {
  /** The closing that has them as late ones; null: those that are not late. */
  readonly lateIn: number | null;
  readonly fromUs: number;
  /** First moment after the block. */
  readonly untilUs: number;
}

/** How many rows a block has, and the SHA-256, as hex, of all their columns. */
export interface BlockContent {
  readonly calls: number;
  readonly attempts: number;
  readonly shadows: number;
  readonly digest: string;
}

const KINDS = [
  { table: 'calls', time: 'ended_at_us', key: 'ended_at_us, gateway_id', isCopy: 0 },
  { table: 'attempts', time: 'call_ended_at_us', key: 'call_ended_at_us, gateway_id, position', isCopy: 0 },
  { table: 'shadows', time: 'arrived_at_us', key: 'arrived_at_us, gateway_id', isCopy: 1 },
] as const;

/** Where the names are whose numbers stand in a column: the columns that say what a number means. */
const DICTIONARIES: Readonly<Record<string, string>> = {
  gateway_id: 'SELECT name FROM gateways WHERE id = ?',
  route_id: 'SELECT model FROM routes WHERE id = ?',
  agent_id: 'SELECT name, is_derived FROM agents WHERE id = ?',
  shape_id: 'SELECT name FROM shapes WHERE id = ?',
  rollout_name_id: 'SELECT name FROM rollout_names WHERE id = ?',
  outcome_id: 'SELECT name FROM outcomes WHERE id = ?',
  final_outcome_id: 'SELECT name FROM outcomes WHERE id = ?',
  provider_id: 'SELECT name FROM providers WHERE id = ?',
  ineligible_reason_id: 'SELECT name FROM ineligible_reasons WHERE id = ?',
};

/** Where a block that begins at a moment should end, so that it is small: at `endUs` at the latest. Epoch µs. */
export function endOfBlock(db: LedgerDb, lateIn: number | null, fromUs: number, endUs: number): number {
  const rows =
    lateIn === null
      ? 'SELECT ended_at_us FROM calls WHERE ended_at_us >= @fromUs AND ended_at_us < @endUs ORDER BY ended_at_us'
      : `SELECT key_at_us FROM late_calls WHERE closing_id = @lateIn AND key_at_us >= @fromUs AND key_at_us < @endUs
         ORDER BY key_at_us`;
  const next = prepared<object, number>(db, `${rows} LIMIT 1 OFFSET ${BLOCK_CALLS}`)
    .pluck()
    .get({ fromUs, endUs, ...(lateIn === null ? {} : { lateIn }) });
  return next === undefined ? endUs : Math.max(next, fromUs + 1);
}

/**
 * Reads blocks of calls in a canonical form: all columns of all rows, with names instead of their numbers, so that a
 * changed dictionary shows. It remembers names, so use it for one pass through the calls only.
 */
export class BlockReader {
  readonly #db: LedgerDb;
  readonly #names = new Map<string, Map<number, unknown>>();

  constructor(db: LedgerDb) {
    this.#db = db;
  }

  /** What the ledger has in a range now. */
  read({ lateIn, fromUs, untilUs }: BlockRange): BlockContent {
    const found = KINDS.map((kind) => {
      const sql = lateIn === null ? punctualRows(kind) : lateRows(kind);
      const statement = prepared<object, unknown[]>(this.#db, sql).raw();
      const rows = statement.all({ fromUs, untilUs, ...(lateIn === null ? {} : { lateIn }) });
      statement.columns().forEach(({ name }, column) => this.#nameAll(rows, name, column));
      return rows;
    });
    const [calls = 0, attempts = 0, shadows = 0] = found.map(({ length }) => length);
    return { calls, attempts, shadows, digest: sha256(JSON.stringify(found)) };
  }

  /** Puts names in place of the numbers of a column. */
  #nameAll(rows: unknown[][], name: string, column: number): void {
    const sql = DICTIONARIES[name];
    if (sql === undefined) return;
    let known = this.#names.get(name);
    if (known === undefined || known.size > MOST_NAMES) this.#names.set(name, (known = new Map()));
    for (const row of rows) {
      const id = row[column] as number | null;
      if (id === null) continue;
      let found = known.get(id);
      if (found === undefined) {
        found = prepared<[number], unknown[]>(this.#db, sql).raw().get(id) ?? [];
        known.set(id, found);
      }
      row[column] = found;
    }
  }
}

type Kind = (typeof KINDS)[number];

function punctualRows({ table, time, key, isCopy }: Kind): string {
  return `SELECT t.* FROM ${table} t WHERE t.${time} >= @fromUs AND t.${time} < @untilUs
    AND NOT EXISTS (SELECT 1 FROM late_calls l
      WHERE l.key_at_us = t.${time} AND l.gateway_id = t.gateway_id AND l.is_copy = ${isCopy}) ORDER BY ${key}`;
}

function lateRows({ table, time, key, isCopy }: Kind): string {
  return `SELECT t.* FROM late_calls l CROSS JOIN ${table} t ON t.${time} = l.key_at_us AND t.gateway_id = l.gateway_id
    WHERE l.closing_id = @lateIn AND l.is_copy = ${isCopy} AND l.key_at_us >= @fromUs AND l.key_at_us < @untilUs
    ORDER BY ${key}`;
}
