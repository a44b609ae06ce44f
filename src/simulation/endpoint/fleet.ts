import { AppError } from '../../core/errors.ts';
import type { World } from '../world.ts';
import type { Compute } from './catalogue.ts';
import { Endpoint } from './endpoint.ts';
import type { KeptEndpoint } from './life.ts';
import type { EndpointSpec } from './spec.ts';

/** All endpoints of the simulation, in order of their creation. */
export class Fleet {
  readonly #world: World;
  /** By `namespace/name`. */
  readonly #living = new Map<string, Endpoint>();
  /** Deleted endpoints are kept, because their cost stays known. */
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

  /** Starts an endpoint. Undefined if another endpoint has the name. */
  async create(namespace: string, spec: EndpointSpec): Promise<Endpoint | undefined> {
    if (this.get(namespace, spec.name)) return undefined;
    const endpoint = await Endpoint.open(this.#world, namespace, spec);
    // Opening the port took one turn of the event loop, so another request may have taken the name meanwhile. The later
    // request is refused.
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

  /** Restores the endpoints of a former process, as `kept` returned them. */
  async reopen(kept: readonly KeptEndpoint[]): Promise<void> {
    for (const one of kept) {
      const endpoint = await Endpoint.reopen(this.#world, one);
      if (one.deletedAt === null) this.#living.set(`${one.namespace}/${one.spec.name}`, endpoint);
      else this.#deleted.push(endpoint);
    }
  }

  /** Existing and deleted endpoints, in the form in which a later process restores them. */
  kept(): KeptEndpoint[] {
    return this.all().map((endpoint) => endpoint.kept());
  }

  /** Existing and deleted endpoints, the deleted ones first. */
  all(): Endpoint[] {
    return [...this.#deleted, ...this.#living.values()];
  }

  /**
   * An endpoint of any namespace by its name; an existing one is preferred to a deleted one. Throws AppError
   * `not_found`.
   */
  find(name: string): Endpoint {
    const found = [...this.#living.values(), ...this.#deleted.toReversed()].find((each) => each.name === name);
    if (!found) throw new AppError('not_found', `there is no endpoint ${name} in the simulation`);
    return found;
  }

  /**
   * Accelerators of an instance type in use. Paused and failed endpoints use none; an endpoint that is scaled to zero
   * still does.
   */
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

  /** Applies the faults in force to every endpoint. */
  async applyFaults(): Promise<void> {
    for (const endpoint of this.#living.values()) await endpoint.applyFaults();
  }

  /** Stops the servers of all endpoints. */
  close(): void {
    for (const endpoint of this.#living.values()) endpoint.close();
  }
}
