import type { Frozen } from '../../core/decide/observation.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { isSealedBy } from './own-seals.ts';

/** What becomes of a freeze of all routes, or of its end. */
export function answerFreeze(
  kind: 'freeze' | 'thaw',
  frozen: Frozen | null,
): { readonly result: 'done' | 'refused'; readonly message: string } {
  if (kind === 'thaw') {
    if (frozen === null) return { result: 'refused', message: 'nothing is frozen' };
    return { result: 'done', message: 'every route goes on where it was' };
  }
  if (frozen !== null) return { result: 'refused', message: `${frozen.by} has frozen all routes already` };
  const message =
    'nothing is proposed, asked, approved or entered on any route until npx upshift thaw; going back works';
  return { result: 'done', message };
}

type Row = Frozen & { readonly id: number; readonly kind: 'freeze' | 'thaw' };

/** The freeze that the newest word of its kind began; null if there is none. Only what this key has sealed counts. */
export function standingFreeze(db: LedgerDb, publicKey: string): Frozen | null {
  const sql = `SELECT q.id, q.kind, q.reason, q.by_user || '@' || q.by_host AS "by", q.requested_at_ms AS at
    FROM requests q JOIN request_outcomes o ON o.request_id = q.id
    WHERE q.kind IN ('freeze', 'thaw') AND o.result = 'done' ORDER BY q.id DESC`;
  for (const { id, kind, by, reason, at } of prepared<[], Row>(db, sql).iterate()) {
    if (isSealedBy(db, publicKey, 'request', [id])) return kind === 'freeze' ? { by, reason, at } : null;
  }
  return null;
}
