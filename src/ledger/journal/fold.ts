import { isDeepStrictEqual } from 'node:util';
import { evolve } from '../../core/rollout/evolve.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
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
 * Makes rollouts from the events of a whole ledger. It keeps those that are not over, and of each model the newest that is,
 * so that its memory does not grow with the age of the ledger.
 */
export class Fold {
  readonly #active = new Map<string, Folded>();
  readonly #over = new Map<string, Folded>();

  /** Takes the next event of the ledger. Throws as `foldEvent` does. */
  take(event: EventRow): void {
    const folded = foldEvent(this.#active.get(event.rolloutId) ?? null, event);
    const { id, model, phase } = folded.rollout;
    if (!isOver(phase)) {
      this.#active.set(id, folded);
      return;
    }
    this.#active.delete(id);
    const other = this.#over.get(model);
    if (other === undefined || byAge(other, folded) <= 0) this.#over.set(model, folded);
  }

  /** Those that it has kept, oldest first. */
  get rollouts(): Folded[] {
    return [...this.#active.values(), ...this.#over.values()].sort(byAge);
  }
}

function byAge(a: Folded, b: Folded): number {
  return a.rollout.createdAt - b.rollout.createdAt || a.updatedAt - b.updatedAt;
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
