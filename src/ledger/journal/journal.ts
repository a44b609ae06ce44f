import type { AppError } from '../../core/errors.ts';
import type { HistoryCall } from '../../core/judge/profile.ts';
import type { RecordedCall } from '../../core/judge/replay.ts';
import type { Role, UpstreamKind } from '../../core/route.ts';
import { readJudged, readPast } from '../calls/arrivals.ts';
import type { Choice } from '../calls/arrivals.ts';
import { readPage } from '../calls/history.ts';
import type { LoggedCall } from '../calls/history.ts';
import { readPairs } from '../calls/pairs.ts';
import type { JudgedPair } from '../calls/pairs.ts';
import { JournalThread } from './thread.ts';
import type { JournalFiles } from './thread.ts';
import type { RemoteStore } from './thread.ts';

/** Reads calls page by page, so that the daemon's thread can do other work between two pages. */
interface CallPages {
  /** Calls that ended at or after a time, epoch µs, in the order of their ends. */
  recentCalls(sinceUs: number): AsyncIterable<readonly LoggedCall[]>;
  /** The eligible calls of a rollout that have a role, in the order of their ends. */
  stepCalls(rolloutId: string): AsyncIterable<readonly (LoggedCall & { readonly role: Role })[]>;
  /**
   * The eligible calls of a rollout that have a role, in the order of their arrival, as far as the ledger has them now.
   * Each has the figures that the judge had when the call ended.
   */
  judgedCalls(rolloutId: string): AsyncIterable<readonly RecordedCall[]>;
  /** The pairs of a rollout, in the order of their arrival. Both halves of each are in the ledger. */
  pairs(rolloutId: string): AsyncIterable<readonly JudgedPair[]>;
  /**
   * The calls of a model that were assigned to one kind of upstream and ended within a span, epoch µs: the newest
   * 200,000 of them, in the order of their arrival. Only calls of a kind that a rollout can split.
   */
  historyCalls(
    model: string,
    sinceUs: number,
    untilUs: number,
    upstream?: UpstreamKind,
  ): AsyncIterable<readonly HistoryCall[]>;
}

/**
 * The journal: every method of `JournalStore`, carried out in a thread of its own. What `commit` and `book` have stored
 * survives a power cut. A method rejects with AppError `unavailable` if another program holds the file locked for
 * longer than two seconds, if the file cannot be written, or if the thread has died; the next call then starts a new
 * thread.
 */
export interface Journal extends RemoteStore, CallPages {
  /** Ends the thread. Every later call rejects with AppError `unavailable`. */
  close(): Promise<void>;
}

/** Opens the journal of a ledger that exists and has the newest schema. Rejects as its methods do. */
export async function openJournal(files: JournalFiles): Promise<Journal> {
  const thread = new JournalThread(files);
  const { store } = thread;
  await store.open();
  return { ...store, ...callPages(store), close: () => thread.close() };
}

/**
 * What each method of the journal does to the file. `decides`: it stores what is acted on next, and must not do so in vain.
 * `records`: it stores what has happened.
 */
const KINDS: Readonly<Record<keyof RemoteStore, 'reads' | 'records' | 'decides'>> = {
  open: 'reads',
  commit: 'decides',
  writeCalls: 'records',
  closeCalls: 'decides',
  keepCheckpoint: 'decides',
  pendingRequests: 'decides',
  openAsk: 'reads',
  checkHistory: 'reads',
  sealedEvents: 'reads',
  latestRollouts: 'reads',
  allRollouts: 'reads',
  hasServedSince: 'reads',
  rollout: 'reads',
  policy: 'reads',
  saveStatus: 'records',
  learned: 'reads',
  saveLearned: 'records',
  recentPage: 'reads',
  stepPage: 'reads',
  callsPerMinute: 'reads',
  spanOf: 'reads',
  arrivalPage: 'reads',
  pairPage: 'reads',
  bookedEndpoints: 'reads',
  book: 'decides',
  spending: 'reads',
  costPerCall: 'reads',
  bookPrices: 'decides',
  bookBill: 'decides',
  instancesTried: 'reads',
  clearWal: 'reads',
};

/** A journal whose methods reject while `refusal` gives a reason, by what they do to the file. */
export function guarded(journal: Journal, refusal: (kind: 'records' | 'decides') => AppError | null): Journal {
  const guards = Object.entries(KINDS).flatMap(([name, kind]) => {
    if (kind === 'reads') return [];
    const method = journal[name as keyof RemoteStore] as (...args: readonly unknown[]) => Promise<unknown>;
    const guard = async (...args: readonly unknown[]) => {
      const error = refusal(kind);
      if (error !== null) throw error;
      return method(...args);
    };
    return [[name, guard] as const];
  });
  return { ...journal, ...Object.fromEntries(guards) };
}

/** Reads the pages of calls of a store, whichever thread that is in. */
export function callPages(store: RemoteStore): CallPages {
  return {
    recentCalls: (sinceUs) => pages(sinceUs - 1, (after) => store.recentPage(after), readPage),
    stepCalls: (rolloutId) =>
      pages(0, (after) => store.stepPage(rolloutId, after), readPage) as ReturnType<CallPages['stepCalls']>,
    judgedCalls: (rolloutId) => byArrival(store, { kind: 'rollout', rolloutId }, readJudged),
    pairs: (rolloutId) => pages(0, (after) => store.pairPage(rolloutId, after), readPairs),
    historyCalls: (model, sinceUs, untilUs, upstream = 'serverless') =>
      byArrival(store, { kind: 'history', model, upstream, sinceUs, untilUs }, readPast),
  };
}

type ArrivalPage = Awaited<ReturnType<RemoteStore['arrivalPage']>>;

async function* byArrival<T>(
  store: RemoteStore,
  choice: Choice,
  read: (page: ArrivalPage) => Iterable<T>,
): AsyncGenerator<readonly T[]> {
  const span = await store.spanOf(choice);
  if (span !== null) yield* pages(span.firstArrivalUs - 1, (after) => store.arrivalPage(choice, span, after), read);
}

async function* pages<P extends { readonly next: number | null }, T>(
  first: number,
  load: (after: number) => Promise<P>,
  read: (page: P) => Iterable<T>,
): AsyncGenerator<readonly T[]> {
  for (let after: number | null = first; after !== null;) {
    const page: P = await load(after);
    yield [...read(page)];
    after = page.next;
  }
}
