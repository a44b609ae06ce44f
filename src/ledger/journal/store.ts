import type { Shadow } from '../../core/call.ts';
import { AppError } from '../../core/errors.ts';
import type { BillLine } from '../../core/money/cost.ts';
import type { ProviderPrice } from '../../core/money/price-book.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { LearnedKey } from '../../core/learned.ts';
import { defaultRoles } from '../../core/roles/roles.ts';
import type { InstancesTried } from '../../core/sizing/candidate.ts';
import { arrivalPage, spanOf } from '../calls/arrivals.ts';
import type { ArrivalPage, Choice, Span } from '../calls/arrivals.ts';
import { CallWriter } from '../calls/call-writer.ts';
import type { CallRow } from '../calls/call-writer.ts';
import { hasServedSince } from '../calls/endpoint-calls.ts';
import { callsPerMinute, recentPage, stepPage } from '../calls/history.ts';
import type { CallsOfMinute } from '../calls/history.ts';
import type { CallPage } from '../calls/history.ts';
import { pairPage } from '../calls/pairs.ts';
import { leftLately } from './left-lately.ts';
import { measuredSpeeds } from '../calls/speeds.ts';
import { connect, prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { book, bookedEndpoints, spending } from '../money/books.ts';
import type { BookedEndpoint, BookEntry } from '../money/books.ts';
import { costPerCall } from '../money/costs.ts';
import { bookBill, bookPrices } from '../money/prices.ts';
import { askSystem } from '../words/people.ts';
import type { People } from '../words/people.ts';
import { checkHistory, checkSeal, checkWritten, foreign, sealedEvents } from './believe.ts';
import type { EventPage } from './believe.ts';
import { Closing, closeAndSeal } from './closing.ts';
import { keepCheckpoint } from './daily.ts';
import type { DailyCheckpoint } from './daily.ts';
import type { Committed, JournalEntry } from './entry.ts';
import { keyPathOf, openKey } from './key.ts';
import type { LedgerKey } from './key.ts';
import { learned, saveLearned } from './learned.ts';
import type { LearnedRow } from './learned.ts';
import { Inbox } from './inbox.ts';
import type { Pending } from './inbox.ts';
import { openAsk } from './asks.ts';
import type { OpenAsk } from './asks.ts';
import { ROLLOUT } from './rows.ts';
import type { RolloutRow } from './rows.ts';
import { Sealing } from './sealing.ts';
import { lastSeal } from './seals.ts';
import { clearWal, emptyWal } from './wal.ts';
import { writeEntry } from './write-entry.ts';

const OVER = "('aborted', 'failed', 'returned')";

/**
 * The journal inside its own thread. Other threads call its methods through `JournalThread`, so arguments and results
 * are values that pass between threads. A method may block: only its own thread waits, never the gateway's.
 */
export class JournalStore {
  readonly #path: string;
  readonly #db: LedgerDb;
  /** A second connection for what need not survive a power cut by itself: calls that waited, their digests, the status. */
  readonly #quick: LedgerDb;
  readonly #calls: CallWriter;
  readonly #closing: Closing;

  readonly #key: LedgerKey;
  readonly #sealing: Sealing;
  readonly #inbox: Inbox;

  /** `people`: finds out who has said a word. */
  constructor(path: string, people: People = askSystem(), keyPath = keyPathOf(path)) {
    this.#path = path;
    this.#key = openKey(keyPath);
    this.#db = connect(path, { timeout: 2_000 });
    this.#db.pragma('synchronous = FULL');
    this.#db.pragma('wal_autocheckpoint = 0');
    this.#quick = connect(path, { timeout: 20 });
    this.#quick.pragma('synchronous = NORMAL');
    this.#quick.pragma('wal_autocheckpoint = 0');
    this.#quick.pragma('foreign_keys = OFF');
    this.#calls = new CallWriter(this.#quick);
    this.#sealing = new Sealing(this.#db, path);
    this.#inbox = new Inbox({ db: this.#db, path, key: this.#key, people, sealing: this.#sealing });
    this.#closing = new Closing(this.#quick);
  }

  /** Opens the file, with its WAL: the worker creates the store with the first message. */
  open(): void {
    lastSeal(this.#db);
  }

  /** Stores all of an entry or nothing. It survives a power cut once this returns. */
  commit(entry: JournalEntry): Committed {
    const committed = this.#sealing.doUrgent(() => writeEntry(this.#db, entry, this.#key.sign));
    this.#inbox.answered(entry.outcomes.map(({ requestId }) => requestId));
    return committed;
  }

  /** Writes calls and shadows. Returns how many were refused for good. */
  writeCalls(rows: readonly CallRow[], shadows: readonly Shadow[] = []): number {
    // They wait in memory, and would take the room that is kept for decisions.
    const { reserve } = this.#sealing;
    if (reserve.isShort) throw new AppError('unavailable', `the disk of ${this.#path} is full`);
    return reserve.watch(() => this.#calls.write(rows, shadows));
  }

  /**
   * Does a piece of closing the days of calls that are over, so that they are sealed; it takes some milliseconds. `now`:
   * epoch ms. Returns whether there is more to do.
   */
  closeCalls(now: number): boolean {
    return this.#closing.turn(now, (id, at) =>
      this.#sealing.do(() => closeAndSeal(this.#db, id, { at, sign: this.#key.sign })),
    );
  }

  /** See `daily.ts`. */
  keepCheckpoint(leastAgeMs: number): DailyCheckpoint | null {
    return keepCheckpoint(this.#db, this.#path, { key: this.#key, leastAgeMs });
  }

  /**
   * Makes rows of the words that wait in their folder. Returns the operators' requests that have no outcome, in the order
   * they came, and what was wrong: no row that somebody else wrote is a request. `simulatedNow`: see `Hearing`. `roles`:
   * who may ask for what.
   */
  pendingRequests(simulatedNow: number | null, roles = defaultRoles(process.geteuid?.() ?? 0)): Pending {
    return this.#inbox.pending({ simulatedNow, roles });
  }

  /**
   * The newest ask of a rollout; null if it was answered, or if there is none. Throws AppError `conflict` if it is not as it
   * was sealed.
   */
  openAsk(rolloutId: string): OpenAsk | null {
    const ask = openAsk(this.#db, rolloutId);
    if (ask === null) return null;
    const sql = 'SELECT decision_id FROM asks WHERE id = ?';
    const decisionId = prepared<[number], number | null>(this.#db, sql).pluck().get(ask.id) ?? null;
    checkWritten(this.#db, { id: ask.id, decisionId, kind: 'ask' }, `question ${ask.id} of rollout ${rolloutId}`);
    return ask;
  }

  /** See `believe.ts`. */
  checkHistory(): void {
    checkHistory(this.#db, this.#key.publicKey);
  }

  /** See `believe.ts`. */
  sealedEvents(after: number): EventPage {
    return sealedEvents(this.#db, after);
  }

  /** Of each route the rollouts that are not over and the newest one that is, oldest first. */
  latestRollouts(): RolloutRow[] {
    const newest = `SELECT id FROM rollouts WHERE route_id = p.route_id AND phase IN ${OVER}
      ORDER BY created_at_ms DESC, updated_at_ms DESC LIMIT 1`;
    return this.#rollouts(
      `WHERE p.phase NOT IN ${OVER} OR p.id = (${newest}) ORDER BY p.created_at_ms, p.updated_at_ms`,
    );
  }

  /** Every rollout of the ledger, oldest first. */
  allRollouts(): RolloutRow[] {
    return this.#rollouts('ORDER BY p.created_at_ms');
  }

  /** Whether the endpoint of a rollout has served a call that ended at or after a time, epoch ms. */
  hasServedSince(rolloutId: string, since: number): boolean {
    return hasServedSince(this.#db, rolloutId, since);
  }

  /** The stored state of a rollout; null if the ledger does not have it. */
  rollout(id: string): RolloutRow | null {
    return prepared<[string], RolloutRow>(this.#db, `${ROLLOUT} WHERE p.id = ?`).get(id) ?? null;
  }

  /**
   * The policy with a hash (SHA-256 of its text, as hex). Throws AppError `conflict` if the ledger does not have it as it was
   * sealed.
   */
  policy(hash: string): { path: string; text: string; parsed: string } {
    checkSeal(this.#db, 'policy', JSON.stringify([hash]), `policy ${hash}`);
    const sql = 'SELECT path, text, parsed FROM policies WHERE hash = ?';
    const found = prepared<[string], { path: string; text: string; parsed: string }>(this.#db, sql).get(hash);
    if (found === undefined) throw foreign(this.#db, `policy ${hash} is missing`);
    return found;
  }

  /** Replaces this process' status, JSON, which the command line reads. `at`: epoch ms. */
  saveStatus(status: string, at: number): void {
    prepared(
      this.#quick,
      'INSERT OR REPLACE INTO daemon_status (id, pid, updated_at_ms, status) VALUES (1, ?, ?, ?)',
    ).run(process.pid, Math.round(at), status);
  }

  /** All that a daemon has learned and written down, the newest change last. */
  learned(): LearnedRow[] {
    return learned(this.#db);
  }

  /** Writes what was learned, each row in place of the one with its key, and removes others: all or nothing. */
  saveLearned(rows: readonly LearnedRow[], removed: readonly LearnedKey[]): void {
    saveLearned(this.#quick, rows, removed);
  }

  /** See `history.ts`. */
  recentPage(afterUs: number): CallPage {
    return recentPage(this.#db, afterUs);
  }

  /** See `history.ts`. */
  stepPage(rolloutId: string, afterUs: number): CallPage {
    return stepPage(this.#db, rolloutId, afterUs);
  }

  /**
   * How many calls of a model arrived in each minute since a time, both epoch ms. Repeats of refused calls do not
   * count.
   */
  callsPerMinute(model: string, sinceMs: number): CallsOfMinute[] {
    return callsPerMinute(this.#db, model, sinceMs);
  }

  /** See `arrivals.ts`. */
  spanOf(choice: Choice): Span | null {
    return spanOf(this.#db, choice);
  }

  /** See `arrivals.ts`. */
  arrivalPage(choice: Choice, span: Span, afterUs: number): ArrivalPage {
    return arrivalPage(this.#db, choice, span, afterUs);
  }

  /** See `pairs.ts`. */
  pairPage(rolloutId: string, afterUs: number): ArrivalPage {
    return pairPage(this.#db, rolloutId, afterUs);
  }

  /** The endpoints that the newest reading of their namespace found, and what it saw of each. */
  bookedEndpoints(): BookedEndpoint[] {
    return bookedEndpoints(this.#db);
  }

  /** Stores readings of endpoints and the minutes that follow from them: all or nothing. They survive a power cut. */
  book(entries: readonly BookEntry[]): void {
    this.#sealing.do(() => book(this.#db, entries, this.#key.sign));
  }

  /**
   * What the endpoints of a model have cost lately, and what the endpoint of a rollout has cost in all, up to `now`
   * (epoch ms), even if the last reading is older. Takes a millisecond or less.
   */
  spending(model: string, rolloutId: string | null, now: number): Spending {
    return spending(this.#db, model, rolloutId, now);
  }

  /**
   * The mean cost of a recent call of a model on serverless, whichever provider served it, in micro-dollars; null if
   * unknown.
   */
  costPerCall(model: string, now: number): number | null {
    return costPerCall(this.#db, model, now);
  }

  /** Stores what has changed in the router's price list. `at`: epoch ms. */
  bookPrices(prices: readonly ProviderPrice[], at: number): void {
    this.#sealing.do(() => bookPrices(this.#db, prices, at, this.#key.sign));
  }

  /** Stores an organization's bill as the Hub reports it. `at`: epoch ms. */
  bookBill(lines: readonly BillLine[], at: number): void {
    this.#sealing.do(() => bookBill(this.#db, lines, at, this.#key.sign));
  }

  /** What became of the instances that were tried: see `speeds.ts` and `left-lately.ts`. */
  instancesTried(model: string, namespace: string, now: number): InstancesTried {
    return { measured: measuredSpeeds(this.#db, model), leftLately: leftLately(this.#db, namespace, now) };
  }

  checkpoint(): void {
    const { reserve } = this.#sealing;
    // The file may have to grow before the WAL, which is larger than what it holds, gives its room back.
    if (reserve.isShort) reserve.invest(() => clearWal(this.#quick));
    else emptyWal(this.#quick, this.#path);
  }

  /** See `wal.ts`. */
  clearWal(): void {
    clearWal(this.#quick);
  }

  close(): void {
    this.#inbox.close();
    this.#quick.close();
    this.#db.close();
  }

  #rollouts(where: string): RolloutRow[] {
    return prepared<[], RolloutRow>(this.#db, `${ROLLOUT} ${where}`).all();
  }
}
