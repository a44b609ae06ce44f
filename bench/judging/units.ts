import { Chance, seedOf } from './chance.ts';
import type { World } from './worlds.ts';

/** A conversation has so many calls in the mean. */
const CALLS = 8;
const BLOCK_MS = 600_000;

/** What the calls of one unit share. */
export interface Unit {
  readonly id: number;
  /** The calls are the canary's where this lies below the weight; in [0, 1). */
  readonly coin: number;
  /** Of their time, beside what is their own: a standard normal number. */
  readonly pace: number;
  /** Of what becomes of them; in [0, 1). */
  readonly fate: number;
}

/** Draws which unit each call belongs to: an agent for ten minutes, or a conversation until it ends. */
export class Units {
  readonly #chance: Chance;
  readonly #size: number;
  readonly #isByAgent: boolean;
  readonly #active: (Unit & { readonly block: number })[] = [];
  #made = 0;

  constructor({ affinity, size }: NonNullable<World['units']>, seed: number) {
    this.#chance = new Chance(seedOf(seed, 77));
    this.#size = size;
    this.#isByAgent = affinity === 'agent';
  }

  /** The unit of the next call. */
  next(atMs: number): Unit {
    const block = this.#isByAgent ? Math.floor(atMs / BLOCK_MS) : 0;
    const place = Math.floor(this.#chance.uniform() * this.#size);
    const ends = !this.#isByAgent && this.#chance.uniform() < 1 / CALLS;
    const known = this.#active[place];
    const unit = known !== undefined && known.block === block && !ends ? known : this.#make(block);
    this.#active[place] = unit;
    return unit;
  }

  /** Whether a call shares the fate of its unit. */
  sharesFate(): boolean {
    return this.#chance.uniform() < 0.3;
  }

  #make(block: number): Unit & { readonly block: number } {
    const chance = this.#chance;
    return { id: ++this.#made, coin: chance.uniform(), pace: chance.normal(), fate: chance.uniform(), block };
  }
}
