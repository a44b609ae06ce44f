import type { LedgerDb } from './database.ts';

/** The key in `meta` of what tells this ledger from all others. */
export const LEDGER_ID = 'ledger_id';

/** The id of a ledger; null if no daemon has opened it yet. */
export function readLedgerId(db: LedgerDb): string | null {
  return db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck().get(LEDGER_ID) ?? null;
}
