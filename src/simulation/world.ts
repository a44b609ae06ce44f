import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import type { Counters } from './counters.ts';
import type { FaultBoard } from './faults.ts';
import type { SimulatedModel } from './hub/models.ts';
import type { Keeper } from './keeper.ts';
import type { Limits, TokenOwner } from './limits.ts';
import type { UsageBook } from './usage.ts';

/** What all parts of the simulation share. */
export interface World {
  readonly clock: Clock;
  readonly startedAt: number;
  readonly limits: Limits;
  readonly models: ReadonlyMap<string, SimulatedModel>;
  /** Accelerators that the account may use, by instance type; overrides the catalogue's figures. */
  readonly quotas: Readonly<Record<string, number>>;
  readonly owner: (token: string | undefined) => TokenOwner | undefined;
  readonly dice: Dice;
  readonly faults: FaultBoard;
  readonly counters: Counters;
  readonly usage: UsageBook;
  readonly keeper: Keeper;
  /** A new id, e.g. `chatcmpl-17`. */
  readonly newId: (prefix: string) => string;
}
