import { isDeepStrictEqual } from 'node:util';
import { evolve } from '../../core/rollout/evolve.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { afterEvent, NO_ROLLOUTS } from '../../core/rollout/route-state.ts';
import type { RouteRollouts } from '../../core/rollout/route-state.ts';
import { readEvent } from '../../core/rollout/stored.ts';
import type { EventRow, RolloutRow } from './rows.ts';

/** A rollout as its events make it. `updatedAt`: when the newest of them happened, epoch ms. */
export interface Folded {
  readonly rollout: Rollout;
  readonly updatedAt: number;
}

/**
 * The state of a rollout after its next event. Throws if the event cannot be read, or if it cannot happen in the state
 * before.
 */
export function foldEvent(before: Folded | null, event: EventRow): Folded {
  return { rollout: evolve(before?.rollout ?? null, readEvent(event), event.at), updatedAt: event.at };
}

/**
 * Makes the rollouts of each route from the events of a whole ledger. It keeps those that a route has now and the one
 * that ended last, so that its memory does not grow with the age of the ledger.
 */
export class Fold {
  readonly #routes = new Map<string, RouteRollouts>();
  readonly #models = new Map<string, string>();
  readonly #updatedAt = new Map<string, number>();

  /** Takes the next event of the ledger. Throws if it cannot be read, or if it cannot happen in the state before. */
  take(row: EventRow): void {
    const { rolloutId, at } = row;
    const event = readEvent(row);
    const model = event.type === 'proposed' ? event.rollout.model : this.#models.get(rolloutId);
    if (model === undefined) throw new Error(`event "${event.type}" cannot happen to rollout ${rolloutId}: it is over`);
    const before = this.#routes.get(model) ?? NO_ROLLOUTS;
    const after = afterEvent(before, { rolloutId, event, at });
    this.#routes.set(model, after);
    this.#models.set(rolloutId, model);
    this.#updatedAt.set(rolloutId, at);
    const kept = new Set(idsOf(after));
    for (const id of [...idsOf(before), rolloutId]) if (!kept.has(id)) this.#forget(id);
  }

  #forget(id: string): void {
    this.#models.delete(id);
    this.#updatedAt.delete(id);
  }

  /** The rollouts of each route by now, by model. */
  get routes(): ReadonlyMap<string, RouteRollouts> {
    return this.#routes;
  }

  /** All rollouts that it has kept. */
  get rollouts(): Folded[] {
    return [...this.#routes.values()]
      .flatMap(({ active, replaced, last }) => [last, replaced, active])
      .filter((rollout) => rollout !== null)
      .map((rollout) => ({ rollout, updatedAt: this.#updatedAt.get(rollout.id) ?? rollout.since }));
  }
}

function idsOf({ active, replaced, last }: RouteRollouts): string[] {
  return [active, replaced, last].flatMap((rollout) => (rollout === null ? [] : [rollout.id]));
}

/** The row of a rollout: a cache of what its events say. */
export function rowOf({ rollout, updatedAt }: Folded): RolloutRow {
  const { id, model, policyHash, toward, phase, createdAt } = rollout;
  return { id, model, policyHash, toward, phase, snapshot: JSON.stringify(rollout), createdAt, updatedAt };
}

/** What a stored row says otherwise than the events do; null if nothing. */
export function differsFromFold(row: RolloutRow, folded: Folded): 'state' | 'columns' | null {
  const { snapshot, ...columns } = rowOf(folded);
  const { snapshot: stored, ...storedColumns } = row;
  if (!isSameJson(stored, snapshot)) return 'state';
  const rounded = { createdAt: Math.round(columns.createdAt), updatedAt: Math.round(columns.updatedAt) };
  return isDeepStrictEqual(storedColumns, { ...columns, ...rounded }) ? null : 'columns';
}

function isSameJson(stored: string, expected: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(stored), JSON.parse(expected));
  } catch {
    return false;
  }
}
