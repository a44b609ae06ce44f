import type { EndpointCapacity } from '../../core/overflow/endpoint-load.ts';
import type { EndpointLoadStatus } from '../../core/overflow/load-status.ts';
import { EndpointGate } from './endpoint-gate.ts';
import type { CoarseClock, OverflowRule } from './endpoint-gate.ts';

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

  /** What is known of an endpoint's room, and what may be done without it. */
  told(url: string, capacity: EndpointCapacity, rule: OverflowRule): void {
    this.of(url).told(capacity, rule);
  }

  /** How full an endpoint is; null if it has had no call. */
  status(url: string): EndpointLoadStatus | null {
    return this.#gates.get(url)?.status ?? null;
  }

  /** Looks after the calls that wait. `nowMs`: clock ms. */
  sweep(nowMs: number): void {
    for (const gate of this.#gates.values()) if (gate.waiting > 0) gate.sweep(nowMs);
  }

  #make(url: string): EndpointGate {
    if (this.#gates.size >= MOST) {
      for (const [other, { load, waiting }] of this.#gates) {
        if (load.inFlight === 0 && waiting === 0) this.#gates.delete(other);
      }
    }
    const gate = new EndpointGate(this.#coarse);
    this.#gates.set(url, gate);
    return gate;
  }
}
