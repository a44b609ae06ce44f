import type { Shadow } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Role, UpstreamKind } from '../../core/route.ts';
import type { MeasuredSpeed } from '../../core/sizing/speed.ts';
import { readJudged, readPast } from '../calls/arrivals.ts';
import type { ArrivalPage, Choice, LoggedJudged, PastCall } from '../calls/arrivals.ts';
import type { CallRow } from '../calls/call-writer.ts';
import { readPage } from '../calls/history.ts';
import type { LoggedCall } from '../calls/history.ts';
import { readPairs } from '../calls/pairs.ts';
import type { JudgedPair } from '../calls/pairs.ts';
import type { Committed, JournalEntry, LoggedDecision, StoredRollout } from './entry.ts';
import { moneyJournal } from './money.ts';
import type { MoneyJournal } from './money.ts';
import type { OpenAsk, PendingRequest } from './requests.ts';
import type { JournalStore } from './store.ts';
import { JournalThread } from './thread.ts';
import type { JournalMessage } from './thread.ts';

/**
 * The journal: survives a power cut, and is written in a thread of its own. Every method rejects with AppError
 * `unavailable` where the file is locked for longer than two seconds, cannot be written, or the thread has died; the
 * next call then begins a new one.
 */
export interface Journal extends MoneyJournal {
  commit(entry: JournalEntry): Promise<Committed>;
  /** Writes calls and shadows; how many were refused for good. */
  writeCalls(rows: readonly CallRow[], shadows?: readonly Shadow[]): Promise<number>;
  pendingRequests(): Promise<PendingRequest[]>;
  /** The newest ask of a rollout, unless it was answered. */
  openAsk(rolloutId: string): Promise<OpenAsk | null>;
  latestAsk(rolloutId: string): Promise<OpenAsk | null>;
  activeRollouts(): Promise<StoredRollout[]>;
  /** Of each route the rollouts that are not over and the newest one that is, oldest first. */
  latestRollouts(): Promise<StoredRollout[]>;
  /** Every rollout that there ever was, oldest first. */
  allRollouts(): Promise<StoredRollout[]>;
  /** Whether the endpoint of a rollout has served a call that ended at or after a time, epoch ms. */
  hasServedSince(rolloutId: string, since: number): Promise<boolean>;
  policy(hash: string): Promise<{ path: string; text: string; parsed: string } | null>;
  lastDecision(model: string): Promise<LoggedDecision | null>;
  /** Replaces the daemon's status, JSON, as the CLI reads it. */
  saveStatus(status: string): Promise<void>;
  /** The status as it was last saved, JSON; null where none was. */
  savedStatus(): Promise<string | null>;
  /** Calls that ended at or after a time, epoch µs, in the order of their ends. */
  recentCalls(sinceUs: number): Promise<LoggedCall[]>;
  /** The eligible calls of a rollout that have a role, in the order of their ends, page by page. */
  stepCalls(rolloutId: string): AsyncIterable<readonly (LoggedCall & { readonly role: Role })[]>;
  /**
   * The eligible calls of a rollout that have a role and are in the ledger by now, in the order of their arrival, page by
   * page: each as the docket had it when it ended.
   */
  judgedCalls(rolloutId: string): AsyncIterable<readonly LoggedJudged[]>;
  /** The pairs of a rollout's shadow stage of which both halves are in the ledger, in the order of their arrival. */
  pairs(rolloutId: string): AsyncIterable<readonly JudgedPair[]>;
  /**
   * The calls of a model that were assigned to a kind of upstream, of kinds that could be split, and ended within a span,
   * epoch µs: the newest 200,000 of them, in the order of their arrival.
   */
  historyCalls(
    model: string,
    sinceUs: number,
    untilUs: number,
    upstream?: UpstreamKind,
  ): AsyncIterable<readonly PastCall[]>;
  /** How many calls of a model arrived in each minute since a time, both epoch ms; without repeats of refused ones. */
  callsPerMinute(model: string, sinceMs: number): Promise<{ atMs: number; calls: number }[]>;
  /** See `speeds.ts`. */
  measuredSpeeds(model: string): Promise<ReadonlyMap<string, MeasuredSpeed>>;
  /** Changes whenever another connection, the gateway's included, has changed the file. */
  dataVersion(): Promise<number>;
  /** The key of the newest request: changes when an operator has asked for something. */
  newestRequest(): Promise<number>;
  close(): Promise<void>;
}

type Method = JournalMessage['method'];
type Send = <M extends Method>(method: M, ...args: Parameters<JournalStore[M]>) => Promise<ReturnType<JournalStore[M]>>;

/** Opens the journal of a ledger that exists and has the newest schema. */
export async function openJournal(path: string, { clock }: { readonly clock: Clock }): Promise<Journal> {
  const thread = new JournalThread(path);
  const send = thread.send.bind(thread) as Send;
  await send('dataVersion');
  return {
    ...moneyJournal(send),
    commit: (entry) => send('commit', entry),
    writeCalls: (rows, shadows = []) => send('writeCalls', rows, shadows),
    pendingRequests: () => send('pendingRequests'),
    openAsk: (rolloutId) => send('openAsk', rolloutId),
    latestAsk: (rolloutId) => send('latestAsk', rolloutId),
    activeRollouts: () => send('activeRollouts'),
    latestRollouts: () => send('latestRollouts'),
    allRollouts: () => send('allRollouts'),
    hasServedSince: (rolloutId, since) => send('hasServedSince', rolloutId, since),
    policy: (hash) => send('policy', hash),
    lastDecision: (model) => send('lastDecision', model),
    savedStatus: () => send('savedStatus'),
    saveStatus: (status) => send('saveStatus', status, process.pid, clock.now()),
    recentCalls: (sinceUs) => recentCalls(send, sinceUs),
    stepCalls: (rolloutId) => stepCalls(send, rolloutId),
    judgedCalls: (rolloutId) => byArrival(send, { kind: 'rollout', rolloutId }, readJudged),
    pairs: (rolloutId) => pairs(send, rolloutId),
    historyCalls: (model, sinceUs, untilUs, upstream = 'serverless') =>
      byArrival(send, { kind: 'history', model, upstream, sinceUs, untilUs }, readPast),
    callsPerMinute: (model, sinceMs) => send('callsPerMinute', model, sinceMs),
    measuredSpeeds: (model) => send('measuredSpeeds', model),
    dataVersion: () => send('dataVersion'),
    newestRequest: () => send('newestRequest'),
    close: () => thread.close(),
  };
}

async function recentCalls(send: Send, sinceUs: number): Promise<LoggedCall[]> {
  const calls: LoggedCall[] = [];
  for (let after: number | null = sinceUs - 1; after !== null;) {
    const page: Awaited<ReturnType<JournalStore['recentPage']>> = await send('recentPage', after);
    for (const call of readPage(page)) calls.push(call);
    after = page.next;
  }
  return calls;
}

async function* stepCalls(
  send: Send,
  rolloutId: string,
): AsyncGenerator<readonly (LoggedCall & { readonly role: Role })[]> {
  for (let after: number | null = 0; after !== null;) {
    const page: Awaited<ReturnType<JournalStore['stepPage']>> = await send('stepPage', rolloutId, after);
    yield [...readPage(page)] as (LoggedCall & { readonly role: Role })[];
    after = page.next;
  }
}

async function* byArrival<T>(
  send: Send,
  choice: Choice,
  read: (page: ArrivalPage) => Iterable<T>,
): AsyncGenerator<readonly T[]> {
  const span = await send('spanOf', choice);
  if (span === null) return;
  for (let after: number | null = span.firstArrivalUs - 1; after !== null;) {
    const page: ArrivalPage = await send('arrivalPage', choice, span, after);
    yield [...read(page)];
    after = page.next;
  }
}

async function* pairs(send: Send, rolloutId: string): AsyncGenerator<readonly JudgedPair[]> {
  for (let after: number | null = 0; after !== null;) {
    const page: ArrivalPage = await send('pairPage', rolloutId, after);
    yield [...readPairs(page)];
    after = page.next;
  }
}
