import { timesAt } from '../../src/simulation/endpoint/full.ts';
import { drawTiming } from '../../src/simulation/answer/generate.ts';
import type { Timing } from '../../src/simulation/answer/generate.ts';
import { DEFAULT_LIMITS } from '../../src/simulation/limits.ts';
import type { Arrival } from '../../src/core/trace.ts';

/** A call of the load. */
export interface LoadedCall extends Arrival {
  readonly agent: string;
  /** Factor on its times, wherever it is served. */
  readonly luck: number;
}

const WINDOW_MS = 300_000;
/** How long a refusal takes. */
export const REFUSAL_MS = 60;

function timesOf({ promptTokens, outputTokens, luck }: LoadedCall, factor: number): Timing {
  const dice = { next: () => 0.5, jitter: () => luck };
  return drawTiming(DEFAULT_LIMITS.routerSpeed, { prompt: promptTokens, output: outputTokens }, factor, dice);
}

/** Serverless as the simulation has it: so many calls in each window of five minutes. */
export class Serverless {
  readonly #limit: number;
  #window = -1;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How long the call takes; null if it is refused. */
  take(call: LoadedCall, nowMs: number): Timing | null {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window !== this.#window) [this.#window, this.#taken] = [window, 0];
    if (this.#taken >= this.#limit) return null;
    this.#taken++;
    return timesOf(call, 1);
  }
}

/** An endpoint as the simulation has it: it refuses the calls for which it has no place. */
export class Engine {
  readonly #places: number;
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  take(call: LoadedCall): Timing | null {
    if (this.#taken >= this.#places) return null;
    this.#taken++;
    return timesOf(call, DEFAULT_LIMITS.endpointFactor * timesAt(this.#taken / this.#places));
  }

  release(): void {
    this.#taken--;
  }
}
