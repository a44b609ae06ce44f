import { readLinks } from '../../core/decide/links.ts';
import { errorMessage } from '../../core/errors.ts';
import type { LedgerDb } from '../database.ts';
import type { StateChecker } from './audit-states.ts';

const APPEND_ONLY = ['decisions', 'events', 'asks', 'requests', 'request_outcomes', 'policies', 'seals'];

/**
 * Compares a decision with the rows that it names: its events, the operator's request and the outcome of that request,
 * and the state that it was made on with the state that earlier events make. It takes decisions in their order. Seals show that these rows are as they were written; this shows that they say what the decision says. Returns what
 * differs.
 */
export function linkChecker(
  db: LedgerDb,
  states: StateChecker,
): (decision: { id: number; model: string; input: string; output: string }) => string[] {
  const events = db.prepare<[number], string>('SELECT data FROM events WHERE decision_id = ? ORDER BY id').pluck();
  const outcomes = db.prepare<[number], object>(
    'SELECT request_id AS requestId, result, message FROM request_outcomes WHERE decision_id = ?',
  );
  const request = db.prepare<[number], object>(
    `SELECT id, kind, rollout_id AS rolloutId, ask_id AS askId, step, reason, by_user || '@' || by_host AS by, by_uid AS uid
     FROM requests WHERE id = ?`,
  );
  return ({ id, model, input, output }) => {
    const wrong: string[] = [];
    try {
      const { request: asked, rollout, ...happened } = readLinks(input, output, id);
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
      if (!states.isMadeOnItsState({ id, model, rollout, events: happened.events ?? [] })) {
        wrong.push('it was made on another state of its rollout than the events before it make');
      }
      if (asked != null && !isSame(request.get(asked.id), asked)) wrong.push(`the request ${asked.id} was changed`);
    } catch (error) {
      wrong.push(`what it names cannot be read: ${errorMessage(error)}`);
    }
    return wrong;
  };
}

/** The append-only tables whose triggers are missing. */
export function unguarded(db: LedgerDb): string[] {
  const named = new Set(db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all());
  return APPEND_ONLY.filter((table) => !named.has(`${table}_no_update`) || !named.has(`${table}_no_delete`));
}

/** Whether every key of `left` has the same value in `right`, in any order. */
function isSame(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right;
  const keys = Object.keys(left);
  if (Array.isArray(left) && keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => isSame((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]));
}
