import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EndpointState } from '../../core/endpoint-state.ts';
import { openExchange } from '../exchange.ts';
import type { World } from '../world.ts';
import { Autoscaler } from './autoscaler.ts';
import { answerEngine } from './engine.ts';
import { changeAt, minutesOf, replan, spentMicroDollars } from './life.ts';
import type { Change, KeptEndpoint } from './life.ts';
import { Places } from './places.ts';
import { changeTo, NO_CAPACITY, startPlan, updatePlan, wakePlan } from './plan.ts';
import type { EndpointSpec } from './spec.ts';

/** A dedicated endpoint: its states in clock time, its cost, and the server that stands for its replicas. */
export class Endpoint {
  readonly namespace: string;
  readonly createdAt: number;
  spec: EndpointSpec;
  deletedAt: number | undefined;
  lastUsedAt: number | undefined;
  readonly #world: World;
  readonly #server: Server;
  readonly #places = new Places(() => (this.#world.limits.whenFull === 'slow' ? Infinity : this.slots));
  readonly #answering = new Set<ServerResponse>();
  readonly #autoscaler = new Autoscaler();
  #changedAt: number;
  #changes: Change[];
  #port: number;

  private constructor(world: World, kept: Omit<KeptEndpoint, 'changes'>, changes: readonly Change[] | null) {
    const { spec } = kept;
    this.#world = world;
    this.namespace = kept.namespace;
    this.spec = spec;
    this.createdAt = kept.createdAt;
    this.#changedAt = kept.changedAt;
    this.deletedAt = kept.deletedAt ?? undefined;
    this.lastUsedAt = kept.lastUsedAt ?? undefined;
    this.#port = kept.port;
    this.#changes = changes === null ? startPlan(this.#world, this.spec, kept.createdAt) : [...changes];
    this.#server = createServer((request, response) => {
      // Otherwise a connection that is still open from before would be served.
      if (this.#isShut()) {
        request.socket.destroy();
        return;
      }
      this.#answering.add(response);
      response.once('close', () => this.#answering.delete(response));
      const upstream = `endpoint:${spec.name}`;
      const exchange = openExchange(request, response, { upstream, prefix: '', counters: world.counters });
      answerEngine(world, this, exchange).catch((error: unknown) => {
        if (!request.destroyed && !response.headersSent) response.destroy(error instanceof Error ? error : undefined);
      });
    });
    this.#server.keepAliveTimeout = 65_000;
  }

  /** Listens on its own port and begins with `pending`. */
  static async open(world: World, namespace: string, spec: EndpointSpec): Promise<Endpoint> {
    const now = world.clock.now();
    const made = { namespace, spec, createdAt: now, changedAt: now, deletedAt: null, lastUsedAt: null, port: 0 };
    const endpoint = new Endpoint(world, made, null);
    await endpoint.#listen();
    return endpoint;
  }

  /**
   * Restores an endpoint of a former process; it existed in the meantime too. It has the same port unless the port is
   * taken.
   */
  static async reopen(world: World, kept: KeptEndpoint): Promise<Endpoint> {
    const endpoint = new Endpoint(world, kept, kept.changes);
    if (kept.deletedAt === null) await endpoint.#listen().catch(() => endpoint.#listen(0));
    return endpoint;
  }

  async #listen(port = this.#port): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** The state that a later process needs to continue this endpoint. */
  kept(): KeptEndpoint {
    return {
      namespace: this.namespace,
      spec: this.spec,
      createdAt: this.createdAt,
      changedAt: this.#changedAt,
      deletedAt: this.deletedAt ?? null,
      lastUsedAt: this.lastUsedAt ?? null,
      changes: this.#changes,
      port: this.#port,
    };
  }

  /** The time of the last change of its state or its specification. */
  get updatedAt(): number {
    return Math.max(this.#changedAt, this.now().at);
  }

  get name(): string {
    return this.spec.name;
  }

  /** Base URL; null until it is scheduled for the first time. */
  get url(): string | null {
    const now = this.#world.clock.now();
    const isScheduled = this.#changes.some((each) => each.at <= now && each.state === 'initializing');
    return isScheduled ? `http://127.0.0.1:${this.#port}` : null;
  }

  /** The change in force, after the check whether idle time has scaled the endpoint to zero. */
  now(): Change {
    if (this.deletedAt !== undefined) return changeAt(this.#changes, this.deletedAt);
    const now = this.#world.clock.now();
    this.#autoscale(now);
    const change = changeAt(this.#changes, now);
    const { minReplica, scaleToZeroTimeout } = this.spec.scaling;
    if (change.state !== 'running' || minReplica > 0 || scaleToZeroTimeout === null || this.inFlight > 0) return change;
    const idleAt = Math.max(change.at, this.lastUsedAt ?? 0) + scaleToZeroTimeout * 60_000;
    if (now < idleAt) return change;
    const slept = changeTo(this.spec, idleAt, 'scaledToZero', 'Endpoint scaled to zero');
    this.#changes = replan(this.#changes, idleAt, [slept]);
    return slept;
  }

  get state(): EndpointState {
    return this.now().state;
  }

  /** Whether the engine has loaded its weights: this takes some time after `running`. */
  isLoaded(): boolean {
    const { state, loadedAt } = this.now();
    return state === 'running' && (loadedAt ?? 0) <= this.#world.clock.now();
  }

  /** Past changes of state, oldest first. */
  history(): readonly Change[] {
    this.now();
    return this.#changes.filter((each) => each.at <= this.#ending().at);
  }

  /** Its cost up to now. */
  spentMicroDollars(): number {
    this.now();
    return spentMicroDollars(this.#changes, this.#ending());
  }

  /** Its replicas minute by minute, beginning with the minute of `from`. */
  minutes(from: number): ReturnType<typeof minutesOf> {
    this.now();
    return minutesOf(this.#changes, from, this.#ending());
  }

  #ending(): { at: number; isOver: boolean } {
    return { at: this.deletedAt ?? this.#world.clock.now(), isOver: this.deletedAt !== undefined };
  }

  pause(): void {
    this.#change('paused', 'Endpoint is paused');
  }

  scaleToZero(): void {
    this.#change('scaledToZero', 'Endpoint scaled to zero');
  }

  fail(reason: string): void {
    this.#change('failed', reason);
  }

  resume(): void {
    this.#follow(startPlan(this.#world, this.spec, this.#world.clock.now()));
  }

  /** Starts it again from scaled to zero, without the wait for a machine. */
  wake(): void {
    const now = this.#world.clock.now();
    const { wakeMs } = this.#world.limits;
    this.lastUsedAt = now + wakeMs;
    this.#follow(wakePlan(this.spec, now, wakeMs));
  }

  /** Applies a changed specification; a running endpoint is off the air for a while. */
  update(spec: EndpointSpec): void {
    const now = this.#world.clock.now();
    const { state, replicas: before } = this.now();
    this.spec = spec;
    this.#changedAt = now;
    this.#world.keeper.now();
    if (state === 'pending' || state === 'initializing') return this.#follow(startPlan(this.#world, this.spec, now));
    if (state !== 'running' && state !== 'updating') return;
    this.#follow(updatePlan(spec, now, this.#world.limits.updateMs, before));
  }

  /** Applies the faults in force to the listener and the plan. */
  async applyFaults(): Promise<void> {
    const { faults, clock } = this.#world;
    const now = clock.now();
    if (this.deletedAt !== undefined) return;
    if (faults.find('endpoint', 'fails', this.name) && this.state !== 'failed') this.fail('Endpoint failed to deploy');
    if (faults.find('management', 'capacity') && this.state === 'pending') {
      const next = this.#changes.find((each) => each.at > now);
      if (next) this.#follow([changeTo(this.spec, next.at, 'failed', NO_CAPACITY)]);
    }
    if (this.#isShut()) {
      this.#server.close();
      for (const response of this.#answering) if (!response.headersSent) response.destroy();
      if (faults.find('endpoint', 'dies', this.name)) this.#server.closeAllConnections();
      else this.#server.closeIdleConnections();
    } else if (!this.#server.listening) {
      await this.#listen();
    }
  }

  /** Replicas that answer. */
  get readyReplicas(): number {
    const { state, replicas, ready = replicas } = this.now();
    return state === 'running' ? ready : 0;
  }

  /** Calls that the replicas have places for. */
  get slots(): number {
    return Math.max(1, this.readyReplicas) * this.#world.limits.replicaCalls;
  }

  /** Applies everything that the autoscaler would have done by now. */
  #autoscale(now: number): void {
    this.#autoscaler.note(now, () => this.#demand(now));
    const plan = this.#autoscaler.follow(this.#changes, now, this.spec, this.#world.limits.initializingMs);
    if (plan === this.#changes) return;
    this.#changes = plan;
    this.#world.keeper.now();
  }

  /** Calls without an HTTP status, and how busy the replicas are. */
  #demand(now: number): { pending: number; usage: number } {
    const { replicas, ready = replicas } = changeAt(this.#changes, now);
    const pending = [...this.#answering].filter((response) => !response.headersSent).length;
    return { pending, usage: this.inFlight / (Math.max(1, ready) * this.#world.limits.replicaCalls) };
  }

  get queued(): number {
    return this.#places.queued;
  }

  get inFlight(): number {
    return this.#places.taken;
  }

  /** Waits for a place; resolves with false if `onLeave` reports that the client has left. */
  take(onLeave: (leave: () => void) => void): Promise<boolean> {
    this.#used();
    return this.#places.take(onLeave);
  }

  /** Gives the place to the next call in the queue. */
  release(): void {
    this.#used();
    this.#places.release();
  }

  #used(): void {
    this.lastUsedAt = this.#world.clock.now();
    this.#world.keeper.soon();
  }

  /** Stops the meter and the server; its cost stays known. */
  delete(): void {
    this.now();
    this.deletedAt ??= this.#world.clock.now();
    this.close();
  }

  /** Stops the server. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Whether a fault keeps the listener closed. */
  #isShut(): boolean {
    const { faults } = this.#world;
    return Boolean(faults.find('endpoint', 'dies', this.name) ?? faults.find('endpoint', 'refuses', this.name));
  }

  #change(state: EndpointState, message: string): void {
    this.#follow([changeTo(this.spec, this.#world.clock.now(), state, message)]);
  }

  #follow(plan: Change[]): void {
    // It may have been scaled to zero before.
    this.now();
    this.#changes = replan(this.#changes, this.#world.clock.now(), plan);
    this.#world.keeper.now();
  }
}
