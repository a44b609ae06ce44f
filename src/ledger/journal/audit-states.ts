import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../../core/errors.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { LedgerDb } from '../database.ts';
import { Fold } from './fold.ts';
import { EVENT } from './rows.ts';
import type { EventRow } from './rows.ts';

const PAGE_ROWS = 500;

/** A decision whose links can be read. `rollout`: what it was made on; undefined if it was not about a rollout. */
export interface MadeDecision {
  readonly id: number;
  readonly model: string;
  readonly rollout?: unknown;
  /** The events that it led to. */
  readonly events: readonly unknown[];
}

/** What the events so far make of one route: its active rollout, as it is stored. */
interface Route {
  readonly active: Rollout | null;
  /** The active rollout before the last decision that changed something. */
  readonly former: Rollout | null;
  readonly changedBy: number | null;
}

const NO_ROUTE: Route = { active: null, former: null, changedBy: null };

/**
 * Goes through a ledger and makes the state of every route from its events, as the daemon does live and at a start. Each
 * decision must have been made on the state that the events before it make. Rollouts that another version of the core has
 * decided about are not compared.
 */
export class StateChecker {
  readonly #events: Iterator<EventRow, undefined>;
  readonly #modelOf: (rolloutId: string) => string | undefined;
  readonly #isOfOthers: (rolloutId: string) => boolean;
  readonly #say: (what: string) => void;
  readonly #fold = new Fold();
  readonly #routes = new Map<string, Route>();
  /** Routes with an event that cannot have happened: what follows of them is not compared. */
  readonly #broken = new Set<string>();
  #ahead: EventRow | undefined;
  /** Whether events cannot be read, so that the states are not known. */
  #isLost = false;

  /** `say`: takes what is wrong with the events of a route. */
  constructor(db: LedgerDb, coreVersion: number, say: (what: string) => void) {
    const sql = 'SELECT r.model FROM rollouts p JOIN routes r ON r.id = p.route_id WHERE p.id = ?';
    const model = db.prepare<[string], string>(sql).pluck();
    const others = db
      .prepare<[number], string>('SELECT DISTINCT rollout_id FROM decisions WHERE core_version <> ?')
      .pluck();
    const ofOthers = new Set(others.all(coreVersion));
    this.#events = eventsOf(db);
    this.#modelOf = (id) => model.get(id);
    this.#isOfOthers = (id) => ofOthers.has(id);
    this.#say = say;
  }

  /** Takes the next decision. Returns whether it was made on the state that its route had. */
  isMadeOnItsState({ id, model, rollout, events }: MadeDecision): boolean {
    this.#foldUpTo(id);
    if (rollout === undefined || this.#isLost || this.#broken.has(model)) return true;
    const { active, former } = this.#routes.get(model) ?? NO_ROUTE;
    if (isDeepStrictEqual(rollout, active)) return true;
    if ([active, former].some((each) => each !== null && this.#isOfOthers(each.id))) return true;
    // A rollback may be carried out in memory while the decision before it is being stored.
    return events.some(isRollback) && isDeepStrictEqual(rollout, former);
  }

  /** Takes the events of the last decisions. */
  finish(): void {
    this.#foldUpTo(Infinity);
  }

  /** Takes the events of all decisions before one. */
  #foldUpTo(decisionId: number): void {
    this.#ahead ??= this.#read();
    while (this.#ahead !== undefined && (this.#ahead.decisionId ?? 0) < decisionId) {
      this.#take(this.#ahead);
      this.#ahead = this.#read();
    }
  }

  /** The next event. What a damaged file keeps from being read is a finding. */
  #read(): EventRow | undefined {
    try {
      return this.#events.next().value;
    } catch (error) {
      this.#isLost = true;
      this.#say(`the events cannot be read: ${errorMessage(error)}`);
      return undefined;
    }
  }

  #take(event: EventRow): void {
    const { rolloutId, decisionId } = event;
    const model = this.#modelOf(rolloutId) ?? '';
    if (this.#broken.has(model)) return;
    try {
      this.#fold.take(event);
    } catch (error) {
      this.#broken.add(model);
      if (!this.#isOfOthers(rolloutId)) this.#say(`event ${event.id}: ${errorMessage(error)}`);
      return;
    }
    const before = this.#routes.get(model) ?? NO_ROUTE;
    const isNext = decisionId === null || decisionId !== before.changedBy;
    this.#routes.set(model, {
      active: asStored(this.#fold.routes.get(model)?.active ?? null),
      former: isNext ? before.active : before.former,
      changedBy: decisionId,
    });
  }
}

/** All events in the order in which they happened. */
function* eventsOf(db: LedgerDb): Generator<EventRow, undefined> {
  const page = db.prepare<[number], EventRow>(`${EVENT} WHERE id > ? ORDER BY id LIMIT ${PAGE_ROWS}`);
  for (let after: number | undefined = 0; after !== undefined;) {
    const rows: EventRow[] = page.all(after);
    yield* rows;
    after = rows.at(-1)?.id;
  }
  return undefined;
}

function asStored(rollout: Rollout | null): Rollout | null {
  return JSON.parse(JSON.stringify(rollout)) as Rollout | null;
}

function isRollback(event: unknown): boolean {
  const type = typeof event === 'object' && event !== null && 'type' in event ? event.type : null;
  return type === 'draining' || type === 'ended';
}
