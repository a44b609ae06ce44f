import { readLinks } from '../../core/decide/links.ts';
import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';

const APPEND_ONLY = ['decisions', 'events', 'asks', 'requests', 'request_outcomes', 'policies'];

/**
 * Compares a decision, which the chain protects, with the rows that it names and that the chain does not: what happened,
 * who asked for it, and what that person was told. Returns what does not fit.
 */
export function linkChecker(db: LedgerDb): (decision: { id: number; input: string; output: string }) => string[] {
  const events = db.prepare<[number], string>('SELECT data FROM events WHERE decision_id = ? ORDER BY id').pluck();
  const outcomes = db.prepare<[number], object>(
    'SELECT request_id AS requestId, result, message FROM request_outcomes WHERE decision_id = ?',
  );
  const request = db.prepare<[number], object>(
    `SELECT id, kind, rollout_id AS rolloutId, ask_id AS askId, step, reason, by_user || '@' || by_host AS by
     FROM requests WHERE id = ?`,
  );
  return ({ id, input, output }) => {
    const wrong: string[] = [];
    try {
      const { request: asked, ...happened } = readLinks(input, output, id);
      if (happened.events !== undefined) {
        const stored = events.all(id);
        const { replaced } = happened;
        const all = replaced === undefined ? happened.events : [...happened.events, replaced.event];
        const expected = all.map((event) => JSON.stringify(event));
        if (JSON.stringify(stored) !== JSON.stringify(expected)) wrong.push('the events that it led to were changed');
      }
      if (happened.outcome !== undefined) {
        const expected = happened.outcome === null ? [] : [happened.outcome];
        if (!isSame(outcomes.all(id), expected)) wrong.push('what became of the request was changed');
      }
      if (asked != null && !isSame(request.get(asked.id), asked)) wrong.push(`the request ${asked.id} was changed`);
    } catch (error) {
      wrong.push(`what it names cannot be read: ${errorMessage(error)}`);
    }
    return wrong;
  };
}

/** The tables that should only ever grow, but whose guard is gone. */
export function unguarded(db: LedgerDb): string[] {
  const named = new Set(db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all());
  return APPEND_ONLY.filter((table) => !named.has(`${table}_no_update`) || !named.has(`${table}_no_delete`));
}

/** Whether all that `right` says stands in `left`, whatever the order of the keys. */
function isSame(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right;
  const keys = Object.keys(left);
  if (Array.isArray(left) && keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => isSame((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]));
}
