import { EndpointGate } from './endpoint-gate.ts';
import type { CoarseClock } from './endpoint-gate.ts';

/** So many endpoints are remembered before those without calls are forgotten. */
const MOST = 64;

/** The gate of each endpoint, by its URL. */
export class EndpointGates {
  readonly #coarse: CoarseClock;
  readonly #gates = new Map<string, EndpointGate>();

  constructor(coarse: CoarseClock) {
    this.#coarse = coarse;
  }

  of(url: string): EndpointGate {
    return this.#gates.get(url) ?? this.#make(url);
  }

  #make(url: string): EndpointGate {
    if (this.#gates.size >= MOST) {
      for (const [other, { load }] of this.#gates) if (load.inFlight === 0) this.#gates.delete(other);
    }
    const gate = new EndpointGate(this.#coarse);
    this.#gates.set(url, gate);
    return gate;
  }
}
