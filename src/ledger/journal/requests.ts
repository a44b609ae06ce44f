import type { OperatorRequest } from '../../core/decide/observation.ts';
import type { AskAbout } from '../../core/rollout/ask.ts';
import { prepared, unreadable } from '../database.ts';
import type { LedgerDb } from '../database.ts';

/** An ask that waits for an operator's answer. `figures`: JSON of the figures to decide by; `at`: epoch ms. */
export interface OpenAsk {
  readonly id: number;
  readonly rolloutId: string;
  readonly about: AskAbout;
  readonly step: number;
  readonly policyHash: string;
  readonly verdict: string;
  readonly figures: string;
  readonly at: number;
}

/** An operator's request that has no outcome yet; `model` is null if the ledger does not have its rollout. */
export interface PendingRequest extends OperatorRequest {
  readonly model: string | null;
  readonly at: number;
}

const COLUMNS = `a.id, a.rollout_id AS rolloutId, ifnull(a.figures ->> '$.about', 'step') AS about, a.step, a.policy_hash AS policyHash, a.verdict, a.figures, a.asked_at_ms AS at`;

const IS_ANSWERED = `EXISTS (SELECT 1 FROM requests q JOIN request_outcomes o ON o.request_id = q.id
  WHERE q.ask_id = a.id AND o.result = 'done')`;

/** The newest ask of a rollout; null if it was answered, or if there is none. Older asks no longer matter. */
export function openAsk(db: LedgerDb, rolloutId: string): OpenAsk | null {
  const sql = `SELECT ${COLUMNS} FROM asks a
    WHERE a.id = (SELECT max(id) FROM asks WHERE rollout_id = ?) AND NOT ${IS_ANSWERED}`;
  return prepared<[string], OpenAsk>(db, sql).get(rolloutId) ?? null;
}

/** The open asks of all rollouts that still wait for the answer, oldest first. */
export function openAsks(db: LedgerDb): (OpenAsk & { readonly model: string })[] {
  const sql = `SELECT ${COLUMNS}, r.model FROM asks a JOIN rollouts p ON p.id = a.rollout_id
    JOIN routes r ON r.id = p.route_id
    WHERE p.phase NOT IN ('draining', 'aborted', 'failed', 'returned') AND a.id = (SELECT max(id) FROM asks WHERE rollout_id = p.id)
      AND NOT ${IS_ANSWERED} AND json_type(p.snapshot, '$.ask') IS NOT 'null'
    ORDER BY a.id`;
  return prepared<[], OpenAsk & { model: string }>(db, sql).all();
}

/** Requests in the order they came, without those that have an outcome. */
export function pendingRequests(db: LedgerDb): PendingRequest[] {
  const sql = `SELECT q.id, q.kind, q.rollout_id AS rolloutId, q.ask_id AS askId, q.step, q.reason,
      q.by_user || '@' || q.by_host AS "by", r.model, q.requested_at_ms AS at
    FROM requests q LEFT JOIN rollouts p ON p.id = q.rollout_id LEFT JOIN routes r ON r.id = p.route_id
    WHERE q.id NOT IN (SELECT request_id FROM request_outcomes) ORDER BY q.id`;
  return prepared<[], PendingRequest>(db, sql).all();
}

/** An operator's request. `askId`: the ask that an approval or rejection answers. `at`: epoch ms of clock time. */
export interface NewRequest {
  readonly kind: OperatorRequest['kind'];
  readonly rolloutId: string;
  readonly askId: number | null;
  readonly step: number | null;
  readonly reason: string | null;
  readonly byUser: string;
  readonly byHost: string;
  readonly at: number;
}

/**
 * Stores a request so that it survives a power cut; returns its id. Waits up to five seconds for a lock, then throws
 * AppError `unavailable`.
 */
export function insertRequest(db: LedgerDb, request: NewRequest): number {
  db.pragma('query_only = OFF');
  try {
    db.pragma('synchronous = FULL');
    const { kind, rolloutId, askId, step, reason, byUser, byHost, at } = request;
    const { lastInsertRowid } = db
      .prepare(
        `INSERT INTO requests (kind, rollout_id, ask_id, step, reason, by_user, by_host, requested_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(kind, rolloutId, askId, step, reason, byUser, byHost, Math.round(at));
    return Number(lastInsertRowid);
  } catch (error) {
    throw unreadable(db.name, error);
  } finally {
    db.pragma('query_only = ON');
  }
}

/** The outcome of a request; null until the daemon has handled it. */
export function requestOutcome(
  db: LedgerDb,
  id: number,
): { result: 'done' | 'refused'; message: string; decisionId: number | null; at: number } | null {
  const sql =
    'SELECT result, message, decision_id AS decisionId, settled_at_ms AS at FROM request_outcomes WHERE request_id = ?';
  type Row = { result: 'done' | 'refused'; message: string; decisionId: number | null; at: number };
  return prepared<[number], Row>(db, sql).get(id) ?? null;
}
