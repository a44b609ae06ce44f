import type { LaneKey, LearnedLane } from '../core/care/lane-status.ts';
import { errorMessage } from '../core/errors.ts';
import { MOST_LEARNED, readLearned } from '../core/learned.ts';
import type { Learned, LearnedKey, LearnedKind, SeenTraffic } from '../core/learned.ts';
import type { Gateway } from '../gateway/server.ts';
import type { Journal } from '../ledger/journal/journal.ts';
import type { LearnedRow } from '../ledger/journal/learned.ts';
import type { Log } from './log.ts';
import type { LearnedRoute } from './route/learned-route.ts';
import type { Routes } from './route/routes.ts';

/** What is known of one thing now; null: nothing, or nothing any more. */
type Fact = LearnedKey & { readonly value: Learned[LearnedKind] | null };

/**
 * What former processes and this one have learned, as the ledger has it. A row stays until something else is learned in
 * its place, so that it also survives restarts between which nobody calls. At most `MOST_LEARNED` rows of each kind
 * stay.
 */
export class LearnedRows {
  /** By key, the row that was used last at the end. */
  #rows: ReadonlyMap<string, LearnedRow>;
  #unreadable: readonly LearnedKey[];

  private constructor(rows: ReadonlyMap<string, LearnedRow>, unreadable: readonly LearnedKey[]) {
    this.#rows = rows;
    this.#unreadable = unreadable;
  }

  /**
   * Reads what is in the ledger. A row that cannot be read is logged, left out, and removed by the next save. The
   * daemon starts nevertheless, because what was lost is learned again within minutes, and nothing is served until it
   * starts.
   */
  static async read(journal: Pick<Journal, 'learned'>, log: Log): Promise<LearnedRows> {
    const rows = new Map<string, LearnedRow>();
    const unreadable: LearnedKey[] = [];
    for (const row of await journal.learned()) {
      try {
        readLearned(row, row.value);
        rows.set(keyOf(row), row);
      } catch (error) {
        log('warn', 'something learned cannot be read; it is learned again', { error: errorMessage(error) });
        unreadable.push(row);
      }
    }
    return new LearnedRows(rows, unreadable);
  }

  /** What was learned of each lane. */
  *lanes(): Generator<readonly [LaneKey, LearnedLane]> {
    for (const { what, model, provider, value } of this.#rows.values()) {
      if (what === 'lane') yield [{ model, provider }, readLearned({ what, model, provider }, value)];
    }
  }

  /** What was learned of a route. */
  route(model: string): LearnedRoute {
    return {
      concurrency: this.#read('concurrency', model),
      perCallMicros: this.#read('call_cost', model)?.perCallMicros ?? null,
      rejections: this.#read('rejections', model),
      nearMiss: this.#read('near_miss', model),
    };
  }

  /** The span for which a route's traffic was seen; null if it was not. */
  traffic(model: string): SeenTraffic | null {
    return this.#read('traffic', model);
  }

  #read<K extends LearnedKind>(what: K, model: string): Learned[K] | null {
    const key = { what, model, provider: '' };
    const row = this.#rows.get(keyOf(key));
    return row === undefined ? null : readLearned(key, row.value);
  }

  /**
   * Writes what has changed since the last save. If that fails it rejects as the journal does, and the next save has
   * it.
   */
  async save(facts: Iterable<Fact>, journal: Pick<Journal, 'saveLearned'>, now: number): Promise<void> {
    const next = new Map(this.#rows);
    for (const { value, ...key } of facts) {
      const name = keyOf(key);
      const before = next.get(name);
      next.delete(name);
      if (value === null) continue;
      const text = JSON.stringify(value);
      next.set(name, before?.value === text ? before : { ...key, value: text, at: now });
    }
    trim(next);
    const changed = [...next.entries()].filter(([name, row]) => this.#rows.get(name) !== row).map(([, row]) => row);
    const removed = [...this.#rows.entries()].filter(([name]) => !next.has(name)).map(([, row]) => row);
    const gone = [...this.#unreadable, ...removed];
    if (changed.length > 0 || gone.length > 0) await journal.saveLearned(changed, gone);
    this.#rows = next;
    this.#unreadable = [];
  }
}

/** A key of its own for each row; the name for people is none, because a model's name may contain its words. */
function keyOf({ what, model, provider }: LearnedKey): string {
  return JSON.stringify([what, model, provider]);
}

/** Removes of each kind the rows beyond the most that are kept: those that were not used for the longest time. */
function trim(rows: Map<string, LearnedRow>): void {
  const counts = new Map<LearnedKind, number>();
  for (const { what } of rows.values()) counts.set(what, (counts.get(what) ?? 0) + 1);
  for (const [name, { what }] of rows) {
    const count = counts.get(what) ?? 0;
    if (count <= MOST_LEARNED) continue;
    rows.delete(name);
    counts.set(what, count - 1);
  }
}

/** What this process knows now and the next one can go on from. */
export function* learnedFacts(routes: Pick<Routes, 'all'>, gateway: Pick<Gateway, 'learned'>): Generator<Fact> {
  for (const [key, value] of gateway.learned()) yield { what: 'lane', ...key, value };
  for (const { model, concurrency, demand, perCallMicros, rejected, worth, observedAt } of routes.all()) {
    const key = { model, provider: '' };
    if (concurrency !== null) yield { ...key, what: 'concurrency', value: concurrency.learned };
    if (perCallMicros !== null) yield { ...key, what: 'call_cost', value: { perCallMicros } };
    yield { ...key, what: 'rejections', value: rejected.learned };
    yield { ...key, what: 'near_miss', value: demand.nearMiss };
    if (worth === null) yield { ...key, what: 'traffic', value: null };
    else if (observedAt > 0) {
      yield { ...key, what: 'traffic', value: { knownSince: worth.knownSince, until: observedAt } };
    }
  }
}
