import type { LearnedKey } from '../../core/learned.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';

/**
 * One thing learned, as the ledger has it. `value`: JSON, see `core/learned.ts`; `at`: when it last changed, epoch ms.
 */
export interface LearnedRow extends LearnedKey {
  readonly value: string;
  readonly at: number;
}

/** All that was learned, the newest change last. */
export function learned(db: LedgerDb): LearnedRow[] {
  const sql = 'SELECT what, model, provider, value, learned_at_ms AS at FROM learned ORDER BY learned_at_ms';
  return prepared<[], LearnedRow>(db, sql).all();
}

/** Writes rows, each in place of the one with its key, and removes others: all or nothing. */
export function saveLearned(db: LedgerDb, rows: readonly LearnedRow[], removed: readonly LearnedKey[]): void {
  const remove = prepared(db, 'DELETE FROM learned WHERE what = ? AND model = ? AND provider = ?');
  const write = prepared(
    db,
    'INSERT OR REPLACE INTO learned (what, model, provider, value, learned_at_ms) VALUES (?, ?, ?, ?, ?)',
  );
  db.transaction(() => {
    for (const { what, model, provider } of removed) remove.run(what, model, provider);
    for (const { what, model, provider, value, at } of rows) {
      write.run(what, model, provider, value, Math.round(at));
    }
  }).immediate();
}
