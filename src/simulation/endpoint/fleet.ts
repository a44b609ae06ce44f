import { AppError } from '../../core/errors.ts';
import type { World } from '../world.ts';
import type { Compute } from './catalogue.ts';
import { Endpoint } from './endpoint.ts';
import type { KeptEndpoint } from './life.ts';
import type { EndpointSpec } from './spec.ts';

/** All endpoints of the simulation, in the order in which they were created. */
export class Fleet {
  readonly #world: World;
  /** By `namespace/name`. */
  readonly #living = new Map<string, Endpoint>();
  /** What a deleted endpoint has cost stays known. */
  readonly #deleted: Endpoint[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** The endpoints that are not deleted. */
  living(): readonly Endpoint[] {
    return [...this.#living.values()];
  }

  get(namespace: string, name: string): Endpoint | undefined {
    return this.#living.get(`${namespace}/${name}`);
  }

  /** Starts an endpoint. Undefined if another one has the name. */
  async create(namespace: string, spec: EndpointSpec): Promise<Endpoint | undefined> {
    if (this.get(namespace, spec.name)) return undefined;
    const endpoint = await Endpoint.open(this.#world, namespace, spec);
    // Listening took a turn of the event loop: of two requests for one name the later is the one refused.
    if (this.get(namespace, spec.name)) {
      endpoint.close();
      return undefined;
    }
    this.#living.set(`${namespace}/${spec.name}`, endpoint);
    this.#world.keeper.now();
    await endpoint.applyFaults();
    return endpoint;
  }

  delete(endpoint: Endpoint): void {
    endpoint.delete();
    this.#living.delete(`${endpoint.namespace}/${endpoint.name}`);
    this.#deleted.push(endpoint);
    this.#world.keeper.now();
  }

  /** The endpoints that a former process had, as `kept` returned them. */
  async reopen(kept: readonly KeptEndpoint[]): Promise<void> {
    for (const one of kept) {
      const endpoint = await Endpoint.reopen(this.#world, one);
      if (one.deletedAt === null) this.#living.set(`${one.namespace}/${one.spec.name}`, endpoint);
      else this.#deleted.push(endpoint);
    }
  }

  /** Living and deleted endpoints, as a later process needs them. */
  kept(): KeptEndpoint[] {
    return this.all().map((endpoint) => endpoint.kept());
  }

  /** Living and deleted endpoints, the deleted ones first. */
  all(): Endpoint[] {
    return [...this.#deleted, ...this.#living.values()];
  }

  /** An endpoint of any namespace by its name, a living one before a deleted one. Throws AppError `not_found`. */
  find(name: string): Endpoint {
    const found = [...this.#living.values(), ...this.#deleted.toReversed()].find((each) => each.name === name);
    if (!found) throw new AppError('not_found', `there is no endpoint ${name} in the simulation`);
    return found;
  }

  /** Accelerators of an instance type in use. Paused and failed endpoints use none, one that is scaled to zero still does. */
  usedAccelerators({ vendor, instanceType }: Compute): number {
    let used = 0;
    for (const { state, spec } of this.#living.values()) {
      const { compute, scaling } = spec;
      if (compute.vendor !== vendor || compute.instanceType !== instanceType) continue;
      if (state === 'paused' || state === 'failed') continue;
      used += compute.numAccelerators * Math.max(1, scaling.minReplica);
    }
    return used;
  }

  /** Has every endpoint do what the faults in force say. */
  async applyFaults(): Promise<void> {
    for (const endpoint of this.#living.values()) await endpoint.applyFaults();
  }

  /** Stops the servers of all endpoints. */
  close(): void {
    for (const endpoint of this.#living.values()) endpoint.close();
  }
}
