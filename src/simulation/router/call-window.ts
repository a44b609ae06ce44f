import type { World } from '../world.ts';

/** Counts calls in the present window of time: each provider of a model accepts a limited number. */
export class CallWindow {
  readonly #world: World;
  /** By model and provider: `org/name:provider`. */
  readonly #taken = new Map<string, number>();
  #number = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Counts a call; false if the provider accepts no more calls of the model in this window. */
  take(modelId: string, provider: string): boolean {
    const { routerWindowMs, routerCalls } = this.#world.limits;
    const number = Math.floor((this.#world.clock.now() - this.#world.startedAt) / routerWindowMs);
    if (number !== this.#number) this.#taken.clear();
    this.#number = number;
    const key = `${modelId}:${provider}`;
    const count = this.#taken.get(key) ?? 0;
    if (count >= routerCalls) return false;
    this.#taken.set(key, count + 1);
    return true;
  }

  /** Accepted calls, by model and provider. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#taken);
  }
}
