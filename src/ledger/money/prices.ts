import type { BillLine } from '../../core/money/cost.ts';
import type { DatedPrice, ProviderPrice } from '../../core/money/price-book.ts';
import type { LedgerDb } from '../database.ts';
import { seal } from '../journal/seals.ts';
import type { Sealed, Sign } from '../journal/seals.ts';

const NEWEST = `SELECT model, provider, input_micros AS inputMicros, output_micros AS outputMicros, is_free AS isFree,
  is_live AS isLive, max(from_at_ms) AS fromAt FROM provider_prices GROUP BY model, provider`;

interface PriceRow extends Omit<DatedPrice, 'isFree' | 'isLive'> {
  readonly isFree: number;
  readonly isLive: number;
}

/** Writes the changes in the router's list of prices since the last time. Call it within a transaction. */
export function bookPrices(db: LedgerDb, prices: readonly ProviderPrice[], at: number, sign: Sign): void {
  const keyOf = ({ model, provider }: Pick<ProviderPrice, 'model' | 'provider'>) => `${model} ${provider}`;
  const before = new Map(
    db
      .prepare<[], PriceRow>(NEWEST)
      .all()
      .map((row) => [keyOf(row), readPrice(row)]),
  );
  const listed = new Set(prices.map(keyOf));
  const gone = [...before.values()].filter((one) => one.isLive && !listed.has(keyOf(one)));
  const insert = db.prepare(
    `INSERT OR REPLACE INTO provider_prices (model, provider, from_at_ms, input_micros, output_micros, is_free, is_live)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const due: (readonly [Sealed, ...unknown[]])[] = [];
  for (const price of [...prices, ...gone.map((one) => ({ ...one, isLive: false }))]) {
    const { model, provider, inputMicros, outputMicros, isFree, isLive } = price;
    const known = before.get(keyOf(price));
    if (known !== undefined && isSame(known, price)) continue;
    insert.run(model, provider, Math.round(at), inputMicros, outputMicros, Number(isFree), Number(isLive));
    due.push(['price', model, provider, Math.round(at)]);
  }
  seal(db, sign, at, due);
}

function isSame(one: ProviderPrice, other: ProviderPrice): boolean {
  return (
    one.inputMicros === other.inputMicros &&
    one.outputMicros === other.outputMicros &&
    one.isFree === other.isFree &&
    one.isLive === other.isLive
  );
}

function readPrice(row: PriceRow): DatedPrice {
  return { ...row, isFree: row.isFree === 1, isLive: row.isLive === 1 };
}

/** All prices, old ones too, the oldest first. */
export function listPrices(db: LedgerDb): DatedPrice[] {
  const sql = `SELECT model, provider, input_micros AS inputMicros, output_micros AS outputMicros, is_free AS isFree,
    is_live AS isLive, from_at_ms AS fromAt FROM provider_prices ORDER BY from_at_ms`;
  return db.prepare<[], PriceRow>(sql).all().map(readPrice);
}

/** Writes the days of a bill in place of what was known of them. Call it within a transaction. */
export function bookBill(db: LedgerDb, lines: readonly BillLine[], at: number, sign: Sign): void {
  const insert = db.prepare(
    'INSERT OR REPLACE INTO bills (org, day, model, provider, calls, cost_micros, seen_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  for (const { org, day, model, provider, calls, micros } of lines) {
    insert.run(org, day, model, provider, calls, micros, Math.round(at));
  }
  seal(
    db,
    sign,
    at,
    lines.map(({ org, day, model, provider }) => ['bill', org, day, model, provider] as const),
  );
}

/** The bills of the days from one to another, both included. */
export function listBills(db: LedgerDb, fromDay: string, untilDay: string): BillLine[] {
  const sql =
    'SELECT org, day, model, provider, calls, cost_micros AS micros FROM bills WHERE day BETWEEN ? AND ? ORDER BY org, day';
  return db.prepare<[string, string], BillLine>(sql).all(fromDay, untilDay);
}
