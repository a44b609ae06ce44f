import type { CallKey } from '../call.ts';

/** A map keyed by gateway and time of arrival, because two gateways may take calls in the same microsecond. */
export class CallMap<T> {
  readonly #gateways = new Map<number, Map<number, T>>();

  get({ gatewayId, arrivedAtUs }: CallKey): T | undefined {
    return this.#gateways.get(gatewayId)?.get(arrivedAtUs);
  }

  set({ gatewayId, arrivedAtUs }: CallKey, value: T): void {
    const calls = this.#gateways.get(gatewayId);
    if (calls === undefined) this.#gateways.set(gatewayId, new Map([[arrivedAtUs, value]]));
    else calls.set(arrivedAtUs, value);
  }

  delete({ gatewayId, arrivedAtUs }: CallKey): void {
    this.#gateways.get(gatewayId)?.delete(arrivedAtUs);
  }

  *values(): Generator<T> {
    for (const calls of this.#gateways.values()) yield* calls.values();
  }
}
