import { statSync } from 'node:fs';
import type { Shadow } from '../../core/call.ts';
import type { BillLine } from '../../core/money/cost.ts';
import type { ProviderPrice } from '../../core/money/price-book.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { MeasuredSpeed } from '../../core/sizing/speed.ts';
import { arrivalPage, spanOf } from '../calls/arrivals.ts';
import type { ArrivalPage, Choice, Span } from '../calls/arrivals.ts';
import { CallWriter } from '../calls/call-writer.ts';
import type { CallRow } from '../calls/call-writer.ts';
import { hasServedSince } from '../calls/endpoint-calls.ts';
import { callsPerMinute, recentPage, stepPage } from '../calls/history.ts';
import type { CallPage } from '../calls/history.ts';
import { pairPage } from '../calls/pairs.ts';
import { measuredSpeeds } from '../calls/speeds.ts';
import { connect, isBusy } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { book, bookedEndpoints, spending } from '../money/books.ts';
import type { BookedEndpoint, BookEntry } from '../money/books.ts';
import { costPerCall } from '../money/costs.ts';
import { bookBill, bookPrices } from '../money/prices.ts';
import { CHAIN_START, chainHash, sha256 } from './chain.ts';
import type { Committed, JournalDecision, JournalEntry, LoggedDecision, StoredRollout } from './entry.ts';
import { latestAsk, openAsk, pendingRequests } from './requests.ts';
import type { OpenAsk, PendingRequest } from './requests.ts';
import type { RolloutRow } from './rollouts.ts';

/** A WAL of this size is worth a checkpoint; one of that size is cut off even if writers must wait for a moment. */
const CHECKPOINT_BYTES = 8 << 20;
const TRUNCATE_BYTES = 64 << 20;

const OVER = "('aborted', 'failed', 'returned')";

/** The journal as the worker's thread has it: every method answers one message. Blocks its thread, never the gateway's. */
export class JournalStore {
  readonly #path: string;
  readonly #db: LedgerDb;
  /** A second connection, for what need not survive a power cut: late calls, the daemon's status, checkpoints. */
  readonly #quick: LedgerDb;
  readonly #calls: CallWriter;

  constructor(path: string) {
    this.#path = path;
    this.#db = connect(path, { timeout: 2_000 });
    this.#db.pragma('synchronous = FULL');
    this.#db.pragma('wal_autocheckpoint = 0');
    this.#quick = connect(path, { timeout: 20 });
    this.#quick.pragma('synchronous = NORMAL');
    this.#quick.pragma('wal_autocheckpoint = 0');
    this.#quick.pragma('foreign_keys = OFF');
    this.#calls = new CallWriter(this.#quick);
  }

  commit(entry: JournalEntry): Committed {
    return this.#db.transaction(() => this.#write(entry)).immediate();
  }

  writeCalls(rows: readonly CallRow[], shadows: readonly Shadow[]): number {
    return this.#calls.write(rows, shadows);
  }

  pendingRequests(): PendingRequest[] {
    return pendingRequests(this.#db);
  }

  openAsk(rolloutId: string): OpenAsk | null {
    return openAsk(this.#db, rolloutId);
  }

  latestAsk(rolloutId: string): OpenAsk | null {
    return latestAsk(this.#db, rolloutId);
  }

  activeRollouts(): StoredRollout[] {
    return this.#rollouts(`WHERE p.phase NOT IN ${OVER} ORDER BY p.created_at`);
  }

  latestRollouts(): StoredRollout[] {
    const newest = `SELECT id FROM rollouts WHERE route_id = p.route_id AND phase IN ${OVER}
      ORDER BY created_at DESC, updated_at DESC LIMIT 1`;
    return this.#rollouts(`WHERE p.phase NOT IN ${OVER} OR p.id = (${newest}) ORDER BY p.created_at, p.updated_at`);
  }

  allRollouts(): StoredRollout[] {
    return this.#rollouts('ORDER BY p.created_at');
  }

  hasServedSince(rolloutId: string, since: number): boolean {
    return hasServedSince(this.#db, rolloutId, since);
  }

  policy(hash: string): { path: string; text: string; parsed: string } | null {
    const sql = 'SELECT path, text, parsed FROM policies WHERE hash = ?';
    return this.#db.prepare<[string], { path: string; text: string; parsed: string }>(sql).get(hash) ?? null;
  }

  lastDecision(model: string): LoggedDecision | null {
    const sql = `SELECT id, at, rollout_id AS rolloutId, action, reason, ticks FROM decisions
      WHERE model = ? ORDER BY id DESC LIMIT 1`;
    return this.#db.prepare<[string], LoggedDecision>(sql).get(model) ?? null;
  }

  savedStatus(): string | null {
    return this.#db.prepare<[], string>('SELECT status FROM daemon_status WHERE id = 1').pluck().get() ?? null;
  }

  saveStatus(status: string, pid: number, at: number): void {
    this.#quick
      .prepare('INSERT OR REPLACE INTO daemon_status (id, pid, updated_at, status) VALUES (1, ?, ?, ?)')
      .run(pid, Math.round(at), status);
  }

  recentPage(afterUs: number): CallPage {
    return recentPage(this.#db, afterUs);
  }

  stepPage(rolloutId: string, afterUs: number): CallPage {
    return stepPage(this.#db, rolloutId, afterUs);
  }

  callsPerMinute(model: string, sinceMs: number): { atMs: number; calls: number }[] {
    return callsPerMinute(this.#db, model, sinceMs);
  }

  spanOf(choice: Choice): Span | null {
    return spanOf(this.#db, choice);
  }

  arrivalPage(choice: Choice, span: Span, afterUs: number): ArrivalPage {
    return arrivalPage(this.#db, choice, span, afterUs);
  }

  pairPage(rolloutId: string, afterUs: number): ArrivalPage {
    return pairPage(this.#db, rolloutId, afterUs);
  }

  bookedEndpoints(): BookedEndpoint[] {
    return bookedEndpoints(this.#db);
  }

  book(entries: readonly BookEntry[]): void {
    this.#db.transaction(() => book(this.#db, entries)).immediate();
  }

  spending(model: string, rolloutId: string | null, now: number): Spending {
    return spending(this.#db, model, rolloutId, now);
  }

  costPerCall(model: string, now: number): number | null {
    return costPerCall(this.#db, model, now);
  }

  bookPrices(prices: readonly ProviderPrice[], at: number): void {
    this.#db.transaction(() => bookPrices(this.#db, prices, at)).immediate();
  }

  bookBill(lines: readonly BillLine[], at: number): void {
    this.#db.transaction(() => bookBill(this.#db, lines, at)).immediate();
  }

  measuredSpeeds(model: string): Map<string, MeasuredSpeed> {
    return measuredSpeeds(this.#db, model);
  }

  dataVersion(): number {
    return this.#db.pragma('data_version', { simple: true }) as number;
  }

  newestRequest(): number {
    return this.#db.prepare<[], number>('SELECT ifnull(max(id), 0) FROM requests').pluck().get() ?? 0;
  }

  /** Moves what the WAL holds into the file when there is enough of it. Readers and writers go on meanwhile. */
  checkpoint(): void {
    const size = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (size < CHECKPOINT_BYTES) return;
    try {
      this.#quick.pragma('wal_checkpoint(PASSIVE)');
      // Only little is left to be moved now, so that the short wait this asks of writers is within their patience.
      if (size >= TRUNCATE_BYTES) this.#quick.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  close(): void {
    this.#quick.close();
    this.#db.close();
  }

  #write(entry: JournalEntry): Committed {
    const { policy, decision, rollout, replaced, ask } = entry;
    const at = decision?.at ?? rollout?.updatedAt ?? ask?.at ?? 0;
    if (policy !== undefined) this.#writePolicy(policy, at);
    if (replaced !== undefined) this.#writeRollout(replaced);
    if (rollout !== undefined) this.#writeRollout(rollout);
    const decisionId = decision === undefined ? null : this.#writeDecision(decision);
    const addEvent = this.#db.prepare(
      'INSERT INTO events (decision_id, rollout_id, at, type, data) VALUES (?, ?, ?, ?, ?)',
    );
    for (const event of entry.events) {
      addEvent.run(decisionId, event.rolloutId, Math.round(event.at), event.type, event.data);
    }
    const addOutcome = this.#db.prepare(
      'INSERT INTO request_outcomes (request_id, decision_id, result, message, at) VALUES (?, ?, ?, ?, ?)',
    );
    for (const outcome of entry.outcomes) {
      addOutcome.run(outcome.requestId, decisionId, outcome.result, outcome.message, Math.round(outcome.at));
    }
    return { decisionId, askId: ask === undefined ? null : this.#writeAsk(ask, decisionId) };
  }

  #writePolicy({ hash, path, text, parsed }: NonNullable<JournalEntry['policy']>, at: number): void {
    this.#db
      .prepare(
        `INSERT INTO policies (hash, parsed_hash, path, text, parsed, first_seen_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO NOTHING`,
      )
      .run(hash, sha256(parsed), path, text, parsed, Math.round(at));
  }

  #writeRollout(rollout: RolloutRow): void {
    this.#db.prepare('INSERT INTO routes (model) VALUES (?) ON CONFLICT DO NOTHING').run(rollout.model);
    this.#db
      .prepare(
        `INSERT INTO rollouts (id, route_id, policy_hash, toward, phase, snapshot, created_at, updated_at)
         VALUES (?, (SELECT id FROM routes WHERE model = ?), ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET policy_hash = excluded.policy_hash, toward = excluded.toward,
           phase = excluded.phase, snapshot = excluded.snapshot, updated_at = excluded.updated_at`,
      )
      .run(
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

  #writeDecision(decision: JournalDecision): number {
    const last = this.#db
      .prepare<[], { id: number; hash: string }>('SELECT id, hash FROM decisions ORDER BY id DESC LIMIT 1')
      .get();
    const parsedHash = this.#db
      .prepare<[string | null], string>('SELECT parsed_hash FROM policies WHERE hash = ?')
      .pluck()
      .get(decision.policyHash);
    // SQLite stores what is not well-formed as something else, and the hash is over what is stored.
    const text = {
      model: decision.model.toWellFormed(),
      input: decision.input.toWellFormed(),
      output: decision.output.toWellFormed(),
    };
    const [id, at] = [(last?.id ?? 0) + 1, Math.round(decision.at)];
    const row = { ...decision, ...text, id, at, parsedHash: parsedHash ?? null };
    this.#db
      .prepare(
        `INSERT INTO decisions (id, at, model, rollout_id, core_version, policy_hash, parsed_hash, action, reason, ticks,
           input, output, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
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
        chainHash(last?.hash ?? CHAIN_START, row),
      );
    return row.id;
  }

  #writeAsk(ask: NonNullable<JournalEntry['ask']>, decisionId: number | null): number {
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO asks (decision_id, rollout_id, step, policy_hash, verdict, figures, at)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(decisionId, ask.rolloutId, ask.step, ask.policyHash, ask.verdict, ask.figures, Math.round(ask.at));
    return Number(lastInsertRowid);
  }

  #rollouts(where: string): StoredRollout[] {
    const sql = `SELECT p.id, r.model, p.phase, p.policy_hash AS policyHash, p.snapshot, p.created_at AS createdAt,
      p.updated_at AS updatedAt, p.phase IN ${OVER} AS isOver FROM rollouts p JOIN routes r ON r.id = p.route_id ${where}`;
    const rows = this.#db.prepare<[], Omit<StoredRollout, 'isOver'> & { isOver: number }>(sql).all();
    return rows.map((row) => ({ ...row, isOver: row.isOver === 1 }));
  }
}
