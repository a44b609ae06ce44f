import type { Frozen, OperatorRequest } from '../../core/decide/observation.ts';
import { hasRole, roleFor } from '../../core/roles/roles.ts';
import type { Role, Roles } from '../../core/roles/roles.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import type { People } from '../words/people.ts';
import type { Published, Reply } from '../words/published.ts';
import type { SpokenWord } from '../words/word-folder.ts';
import { askDigest, readAsk } from './asks.ts';
import type { Asked } from './asks.ts';
import type { JournalEntry } from './entry.ts';
import { answerFreeze } from './freeze.ts';
import type { LedgerKey } from './key.ts';
import { isSealedBy } from './own-seals.ts';
import { seal } from './seals.ts';

/** An operator's request that has no outcome yet; `model` is null if the ledger does not have its rollout. */
export interface PendingRequest extends OperatorRequest {
  readonly model: string | null;
  readonly at: number;
}

/** The rollouts that are not over, oldest first. */
export function activeRollouts(db: LedgerDb): Published['rollouts'] {
  const sql = `SELECT p.id, r.model, p.phase, p.toward FROM rollouts p JOIN routes r ON r.id = p.route_id
    WHERE p.phase NOT IN ('aborted', 'failed', 'returned') ORDER BY p.created_at_ms, p.id`;
  return prepared<[], Published['rollouts'][number]>(db, sql).all();
}

/** Requests in the order they came, without those that have an outcome, whoever wrote them. */
export function pendingRequests(db: LedgerDb): PendingRequest[] {
  const sql = `SELECT q.id, q.kind, q.rollout_id AS rolloutId, q.ask_id AS askId, q.step, q.reason,
      q.by_user || '@' || q.by_host AS "by", q.by_uid AS uid, ifnull(q.model, r.model) AS model, q.requested_at_ms AS at
    FROM requests q LEFT JOIN rollouts p ON p.id = q.rollout_id LEFT JOIN routes r ON r.id = p.route_id
    WHERE q.id NOT IN (SELECT request_id FROM request_outcomes) ORDER BY q.id`;
  return prepared<[], PendingRequest>(db, sql).all();
}

/** What a word needs so that it can become a row. */
export interface Hearing {
  readonly key: LedgerKey;
  readonly people: People;
  readonly roles: Roles;
  /** The time, epoch ms, if the daemon's clock is simulated; null: the time of the word's file counts. */
  readonly simulatedNow: number | null;
}

/** A word with who said it. `lacks`: the role that it needs and that they do not have; null if they may say it. */
export interface HeardWord extends SpokenWord {
  readonly user: string;
  readonly host: string;
  readonly lacks: Role | null;
}

/** Finds out who said a word, and whether they may. It may take a second: nothing is locked meanwhile. */
export function hear(word: SpokenWord, { people, roles }: Pick<Hearing, 'people' | 'roles'>): HeardWord {
  const { uid, kind } = word;
  const { user, host } = people.personOf(uid);
  const role = roleFor(kind);
  const mayAsk = hasRole(roles, role, { uid, user, groups: () => people.groupsOf(uid) });
  return { ...word, user, host, lacks: mayAsk ? null : role };
}

/** What became of a word: a row, which has this number; a row that was there; or nothing, for a reason. */
export type Taken = { readonly id: number } | { readonly repeats: number } | { readonly why: string };

/**
 * Makes a word a row of `requests`, once, and seals it. A word of somebody who lacks the role for it, and an answer to a
 * question that somebody has changed, are refused with it. The caller makes it one transaction.
 */
export function addRequest(
  db: LedgerDb,
  word: HeardWord,
  { key, simulatedNow, frozen }: Pick<Hearing, 'key' | 'simulatedNow'> & { readonly frozen: Frozen | null },
): Taken {
  const { name, kind, rolloutId, model, askId, step, reason, uid, user, host } = word;
  // The daemon may have died before it removed the word.
  const repeats = requestId(db, name);
  if (repeats !== null) return { repeats };
  if (rolloutId !== null && !hasRollout(db, rolloutId)) return { why: `the ledger has no rollout ${rolloutId}` };
  const ask = askId === null ? null : readAsk(db, askId);
  if (askId !== null && ask?.rolloutId !== rolloutId) {
    return { why: `rollout ${rolloutId} never asked question ${askId}` };
  }
  const at = Math.round(simulatedNow ?? word.at);
  const { lastInsertRowid } = prepared(
    db,
    `INSERT INTO requests (kind, rollout_id, model, ask_id, ask_digest, step, reason, by_user, by_host, by_uid, word, requested_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(kind, rolloutId, model, askId, word.askDigest, step, reason, user, host, uid, name, at);
  const id = Number(lastInsertRowid);
  const answer = answerAtOnce(db, word, ask, { key, frozen });
  if (answer !== null) writeOutcome(db, { requestId: id, ...answer, at }, null);
  seal(db, key.sign, at, [['request', id]]);
  return { id };
}

function hasRollout(db: LedgerDb, id: string): boolean {
  return prepared<[string], number>(db, 'SELECT 1 FROM rollouts WHERE id = ?').pluck().get(id) !== undefined;
}

/** What no decision has to answer: who may not ask, a doubtful question, and a freeze or its end. Null if a decision has to. */
function answerAtOnce(
  db: LedgerDb,
  { kind, askDigest, uid, user, lacks }: HeardWord,
  ask: Asked | null,
  { key, frozen }: Pick<Hearing, 'key'> & { readonly frozen: Frozen | null },
): { readonly result: 'done' | 'refused'; readonly message: string } | null {
  const refused = (message: string) => ({ result: 'refused' as const, message });
  if (lacks !== null) {
    return refused(`${user} (user ${uid}) may not ${kind}: this needs the role ${lacks}, which ${db.name}.roles gives`);
  }
  if (kind === 'freeze' || kind === 'thaw') return answerFreeze(kind, frozen);
  const doubt = ask && doubtOf(db, ask, askDigest, key.publicKey);
  return doubt === null ? null : refused(doubt);
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
function doubtOf(db: LedgerDb, ask: Asked, seen: string | null, publicKey: string): string | null {
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

/** The number of the request that a word became; null if it is none yet. */
export function requestId(db: LedgerDb, word: string): number | null {
  return prepared<[string], number>(db, 'SELECT id FROM requests WHERE word = ?').pluck().get(word) ?? null;
}

/** The name of the word that became a request; null if there is no such request. */
export function wordOf(db: LedgerDb, id: number): string | null {
  return prepared<[number], string>(db, 'SELECT word FROM requests WHERE id = ?').pluck().get(id) ?? null;
}

/** What became of a word; null until the daemon has handled it. */
export function replyTo(db: LedgerDb, word: string): Reply | null {
  const sql = `SELECT q.id AS request, o.result, o.message
    FROM requests q JOIN request_outcomes o ON o.request_id = q.id WHERE q.word = ?`;
  return prepared<[string], Reply>(db, sql).get(word) ?? null;
}
