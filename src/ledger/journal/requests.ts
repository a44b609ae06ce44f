import type { Result } from '../../core/decide/decision.ts';
import type { OperatorRequest } from '../../core/decide/observation.ts';
import { hasRole, roleFor } from '../../core/roles/roles.ts';
import type { Roles } from '../../core/roles/roles.ts';
import type { AskAbout } from '../../core/rollout/ask.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import type { People } from '../words/people.ts';
import type { SpokenWord } from '../words/word-folder.ts';
import { sha256 } from './chain.ts';
import type { JournalEntry } from './entry.ts';
import type { LedgerKey } from './key.ts';
import { isSealedBy } from './own-seals.ts';
import { seal } from './seals.ts';

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

/** Requests in the order they came, without those that have an outcome, whoever wrote them. */
export function pendingRequests(db: LedgerDb): PendingRequest[] {
  const sql = `SELECT q.id, q.kind, q.rollout_id AS rolloutId, q.ask_id AS askId, q.step, q.reason,
      q.by_user || '@' || q.by_host AS "by", q.by_uid AS uid, r.model, q.requested_at_ms AS at
    FROM requests q LEFT JOIN rollouts p ON p.id = q.rollout_id LEFT JOIN routes r ON r.id = p.route_id
    WHERE q.id NOT IN (SELECT request_id FROM request_outcomes) ORDER BY q.id`;
  return prepared<[], PendingRequest>(db, sql).all();
}

/** Digest, as hex, of a question as people see it. An answer names it, so that it answers what was seen. */
export function askDigest({ id, rolloutId, step, policyHash, verdict, figures, at }: OpenAsk): string {
  return sha256(JSON.stringify([id, rolloutId, step, policyHash, verdict, figures, at]));
}

/** What a word needs so that it can become a row. */
export interface Hearing {
  readonly key: LedgerKey;
  readonly people: People;
  readonly roles: Roles;
  /** The time, epoch ms, if the daemon's clock is simulated; null: the time of the word's file counts. */
  readonly simulatedNow: number | null;
}

/**
 * Makes a word a row of `requests`, once, and seals it. A word of somebody who lacks the role for it, and an answer to a
 * question that somebody has changed, are refused with it. Returns why there is no row; null if there is one. The caller makes it one transaction.
 */
export function addRequest(
  db: LedgerDb,
  word: SpokenWord,
  { key, people, roles, simulatedNow }: Hearing,
): string | null {
  const { name, kind, rolloutId, askId, step, reason, uid } = word;
  // The daemon may have died before it removed the word.
  if (requestId(db, name) !== null) return null;
  const isKnown = prepared<[string], number>(db, 'SELECT 1 FROM rollouts WHERE id = ?').pluck().get(rolloutId);
  if (isKnown === undefined) return `the ledger has no rollout ${rolloutId}`;
  const ask = askId === null ? null : readAsk(db, askId);
  if (askId !== null && ask?.rolloutId !== rolloutId) return `rollout ${rolloutId} never asked question ${askId}`;
  const at = Math.round(simulatedNow ?? word.at);
  const { user, host } = people.personOf(uid);
  const { lastInsertRowid } = prepared(
    db,
    `INSERT INTO requests (kind, rollout_id, ask_id, ask_digest, step, reason, by_user, by_host, by_uid, word, requested_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(kind, rolloutId, askId, word.askDigest, step, reason, user, host, uid, name, at);
  const id = Number(lastInsertRowid);
  const mayAsk = hasRole(roles, roleFor(kind), { uid, user, groups: () => people.groupsOf(uid) });
  const doubt = mayAsk
    ? ask && doubtOf(db, ask, word.askDigest, key.publicKey)
    : `${user} (user ${uid}) may not ${kind}: this needs the role ${roleFor(kind)}, which ${db.name}.roles gives`;
  if (doubt !== null) writeOutcome(db, { requestId: id, result: 'refused', message: doubt, at }, null);
  seal(db, key.sign, at, [['request', id]]);
  return null;
}

/** Writes what became of a request. The caller seals it. */
export function writeOutcome(
  db: LedgerDb,
  { requestId: id, result, message, at }: JournalEntry['outcomes'][number],
  decisionId: number | null,
): void {
  prepared(
    db,
    'INSERT INTO request_outcomes (request_id, decision_id, result, message, settled_at_ms) VALUES (?, ?, ?, ?, ?)',
  ).run(id, decisionId, result, message, Math.round(at));
}

/** Why an answer to a question does not count, whatever it says; null if nothing speaks against it. */
function doubtOf(db: LedgerDb, ask: OpenAsk & Asked, seen: string | null, publicKey: string): string | null {
  const isSealed =
    ask.decisionId === null
      ? isSealedBy(db, publicKey, 'ask', [ask.id])
      : isSealedBy(db, publicKey, 'decision', [ask.decisionId]);
  if (!isSealed) {
    return `question ${ask.id} is not what the daemon asked: somebody has changed the ledger (npx upshift audit --verify)`;
  }
  if (askDigest(ask) === seen) return null;
  return `question ${ask.id} is not what you saw: look again (npx upshift status), then answer`;
}

interface Asked {
  readonly decisionId: number | null;
}

/** A question, whether it is still open or not, and the decision that asked it; null if there is none. */
export function readAsk(db: LedgerDb, id: number): (OpenAsk & Asked) | null {
  const sql = `SELECT ${COLUMNS}, a.decision_id AS decisionId FROM asks a WHERE a.id = ?`;
  return prepared<[number], OpenAsk & Asked>(db, sql).get(id) ?? null;
}

/** The number of the request that a word became; null if it is none yet. */
export function requestId(db: LedgerDb, word: string): number | null {
  return prepared<[string], number>(db, 'SELECT id FROM requests WHERE word = ?').pluck().get(word) ?? null;
}

/** What became of a word; null until the daemon has handled it. */
export function requestOutcome(
  db: LedgerDb,
  word: string,
): { result: Result; message: string; decisionId: number | null; at: number } | null {
  const sql = `SELECT o.result, o.message, o.decision_id AS decisionId, o.settled_at_ms AS at
    FROM requests q JOIN request_outcomes o ON o.request_id = q.id WHERE q.word = ?`;
  type Row = { result: Result; message: string; decisionId: number | null; at: number };
  return prepared<[string], Row>(db, sql).get(word) ?? null;
}
