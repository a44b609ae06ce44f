import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openExchange } from '../exchange.ts';
import type { World } from '../world.ts';
import { Autoscaler } from './autoscaler.ts';
import { answerEngine } from './engine.ts';
import { changeAt, minutesOf, replan, spentMicroDollars } from './life.ts';
import type { Change, EndpointState, KeptEndpoint } from './life.ts';
import { Places } from './places.ts';
import { changeTo, NO_CAPACITY, startPlan, updatePlan, wakePlan } from './plan.ts';
import type { EndpointSpec } from './spec.ts';

/** A dedicated endpoint: its states in clock time, what it has cost, and the server that stands for its replicas. */
export class Endpoint {
  readonly namespace: string;
  readonly createdAt: number;
  spec: EndpointSpec;
  deletedAt: number | undefined;
  lastUsedAt: number | undefined;
  readonly #world: World;
  readonly #server: Server;
  readonly #places = new Places(() => this.slots);
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
      // A connection kept alive from before would still be served.
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

  /** Listens on a port of its own and begins with `pending`. */
  static async open(world: World, namespace: string, spec: EndpointSpec): Promise<Endpoint> {
    const now = world.clock.now();
    const made = { namespace, spec, createdAt: now, changedAt: now, deletedAt: null, lastUsedAt: null, port: 0 };
    const endpoint = new Endpoint(world, made, null);
    await endpoint.#listen();
    return endpoint;
  }

  /** One that a former process had: it went on existing meanwhile. Its port is the same unless somebody took it. */
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

  /** What a later process needs to go on with it. */
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

  /** When its state or its specification last changed. */
  get updatedAt(): number {
    return Math.max(this.#changedAt, this.now().at);
  }

  get name(): string {
    return this.spec.name;
  }

  /** Base URL; null until it was scheduled for the first time. */
  get url(): string | null {
    const now = this.#world.clock.now();
    const isScheduled = this.#changes.some((each) => each.at <= now && each.state === 'initializing');
    return isScheduled ? `http://127.0.0.1:${this.#port}` : null;
  }

  /** The change in force, after an idle endpoint has been scaled to zero. */
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

  /** Whether the engine has its weights: some time after `running`. */
  isLoaded(): boolean {
    const { state, loadedAt } = this.now();
    return state === 'running' && (loadedAt ?? 0) <= this.#world.clock.now();
  }

  /** Past changes of state, oldest first. */
  history(): readonly Change[] {
    this.now();
    return this.#changes.filter((each) => each.at <= this.#ending().at);
  }

  /** What it has cost up to now. */
  spentMicroDollars(): number {
    this.now();
    return spentMicroDollars(this.#changes, this.#ending());
  }

  /** Its replicas minute by minute from the one of `from` on. */
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

  /** From scaled to zero back to work, without the wait for a machine. */
  wake(): void {
    const now = this.#world.clock.now();
    const { wakeMs } = this.#world.limits;
    this.lastUsedAt = now + wakeMs;
    this.#follow(wakePlan(this.spec, now, wakeMs));
  }

  /** Takes on a changed specification; a running endpoint is off the air for a while. */
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

  /** Brings the listener and the plan in line with the faults in force. */
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

  /** Calls that may be worked on at once. */
  get slots(): number {
    return Math.max(1, this.readyReplicas) * this.#world.limits.replicaCalls;
  }

  /** Catches up on what the autoscaler would have done by now. */
  #autoscale(now: number): void {
    this.#autoscaler.note(now, () => this.#load(now));
    const plan = this.#autoscaler.follow(this.#changes, now, this.spec, this.#world.limits.initializingMs);
    if (plan === this.#changes) return;
    this.#changes = plan;
    this.#world.keeper.now();
  }

  /** Calls without an HTTP status, and how busy the replicas are. */
  #load(now: number): { pending: number; usage: number } {
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

  /** Waits for a place; resolves with false when `onLeave` said that the client has left. */
  take(onLeave: (leave: () => void) => void): Promise<boolean> {
    this.#used();
    return this.#places.take(onLeave);
  }

  /** Gives the place to the next in the queue. */
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
    // It may have fallen asleep before.
    this.now();
    this.#changes = replan(this.#changes, this.#world.clock.now(), plan);
    this.#world.keeper.now();
  }
}
