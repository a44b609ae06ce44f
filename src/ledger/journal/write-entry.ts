import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { sha256 } from '../sha256.ts';
import type { Committed, JournalDecision, JournalEntry } from './entry.ts';
import { writeOutcome } from './requests.ts';
import type { RolloutRow } from './rows.ts';
import { seal } from './seals.ts';
import type { Sealed, Sign } from './seals.ts';

/** Writes all parts of an entry, and seals what may not change. The caller makes it one transaction. */
export function writeEntry(db: LedgerDb, entry: JournalEntry, sign: Sign): Committed {
  const { policy, decision, rollout, replaced, ask } = entry;
  const at = decision?.at ?? rollout?.updatedAt ?? ask?.at ?? 0;
  const due: (readonly [Sealed, ...unknown[]])[] = [];
  if (policy !== undefined && writePolicy(db, policy, at)) due.push(['policy', policy.hash]);
  if (replaced !== undefined) writeRollout(db, replaced);
  if (rollout !== undefined) writeRollout(db, rollout);
  const decisionId = decision === undefined ? null : writeDecision(db, decision);
  const events = writeEvents(db, entry, decisionId);
  for (const outcome of entry.outcomes) writeOutcome(db, outcome, decisionId);
  const askId = ask === undefined ? null : writeAsk(db, ask, decisionId);
  if (decisionId !== null) due.push(['decision', decisionId]);
  else {
    for (const id of events) due.push(['event', id]);
    if (askId !== null) due.push(['ask', askId]);
  }
  const rollouts = [rollout?.id, replaced?.id, ask?.rolloutId, ...entry.events.map(({ rolloutId }) => rolloutId)];
  for (const id of new Set(rollouts)) if (id !== undefined) due.push(['rollout', id]);
  for (const { requestId } of entry.outcomes) due.push(['request', requestId]);
  seal(db, sign, at, due);
  return { decisionId, askId };
}

/** Returns the ids of the events. */
function writeEvents(db: LedgerDb, { events }: JournalEntry, decisionId: number | null): number[] {
  const add = prepared(
    db,
    'INSERT INTO events (decision_id, rollout_id, happened_at_ms, type, data) VALUES (?, ?, ?, ?, ?)',
  );
  return events.map(({ rolloutId, at, type, data }) =>
    Number(add.run(decisionId, rolloutId, Math.round(at), type, data).lastInsertRowid),
  );
}

/** Returns whether the policy is new. */
function writePolicy(
  db: LedgerDb,
  { hash, path, text, parsed }: NonNullable<JournalEntry['policy']>,
  at: number,
): boolean {
  const { changes } = prepared(
    db,
    `INSERT INTO policies (hash, parsed_hash, path, text, parsed, first_seen_at_ms) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (hash) DO NOTHING`,
  ).run(hash, sha256(parsed), path, text, parsed, Math.round(at));
  return changes > 0;
}

function writeRollout(db: LedgerDb, rollout: RolloutRow): void {
  prepared(db, 'INSERT INTO routes (model) VALUES (?) ON CONFLICT DO NOTHING').run(rollout.model);
  prepared(
    db,
    `INSERT INTO rollouts (id, route_id, policy_hash, toward, phase, snapshot, created_at_ms, updated_at_ms)
       VALUES (?, (SELECT id FROM routes WHERE model = ?), ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET policy_hash = excluded.policy_hash, toward = excluded.toward,
         phase = excluded.phase, snapshot = excluded.snapshot, updated_at_ms = excluded.updated_at_ms`,
  ).run(
    rollout.id,
    rollout.model,
    rollout.policyHash,
    rollout.toward,
    rollout.phase,
    rollout.snapshot,
    Math.round(rollout.createdAt),
    Math.round(rollout.updatedAt),
  );
}

function writeDecision(db: LedgerDb, decision: JournalDecision): number {
  const last = prepared<[], number>(db, 'SELECT id FROM decisions ORDER BY id DESC LIMIT 1').pluck().get() ?? 0;
  const parsedHash = prepared<[string | null], string>(db, 'SELECT parsed_hash FROM policies WHERE hash = ?')
    .pluck()
    .get(decision.policyHash);
  // SQLite stores ill-formed UTF-16 as other text, and what is decided again must be the text that is stored.
  const text = {
    model: decision.model.toWellFormed(),
    input: decision.input.toWellFormed(),
    output: decision.output.toWellFormed(),
  };
  const [id, at] = [last + 1, Math.round(decision.at)];
  const row = { ...decision, ...text, id, at, parsedHash: parsedHash ?? null };
  prepared(
    db,
    `INSERT INTO decisions (id, decided_at_ms, model, rollout_id, core_version, policy_hash, parsed_hash, action, reason, ticks,
         input, output) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    row.id,
    row.at,
    row.model,
    row.rolloutId,
    row.coreVersion,
    row.policyHash,
    row.parsedHash,
    row.action,
    row.reason,
    row.ticks,
    row.input,
    row.output,
  );
  return row.id;
}

function writeAsk(db: LedgerDb, ask: NonNullable<JournalEntry['ask']>, decisionId: number | null): number {
  const { lastInsertRowid } = prepared(
    db,
    `INSERT INTO asks (decision_id, rollout_id, step, policy_hash, verdict, figures, asked_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
  ).run(decisionId, ask.rolloutId, ask.step, ask.policyHash, ask.verdict, ask.figures, Math.round(ask.at));
  return Number(lastInsertRowid);
}
