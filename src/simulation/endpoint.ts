import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { EndpointSpec } from './spec.ts';
import { answerEngine } from './engine.ts';
import { openExchange } from './exchange.ts';
import { changeAt, replan, spentMicroDollars } from './life.ts';
import type { Change, EndpointState } from './life.ts';
import type { World } from './world.ts';

/** A dedicated endpoint: its states in clock time, what it has cost, and the server that stands for its replicas. */
export class Endpoint {
  readonly namespace: string;
  readonly createdAt: number;
  spec: EndpointSpec;
  updatedAt: number;
  deletedAt: number | undefined;
  lastUsedAt: number | undefined;
  inFlight = 0;
  readonly #world: World;
  readonly #server: Server;
  readonly #waiting: Array<() => void> = [];
  readonly #answering = new Set<ServerResponse>();
  #changes: Change[];
  #port = 0;

  private constructor(world: World, namespace: string, spec: EndpointSpec) {
    const now = world.clock.now();
    this.#world = world;
    this.namespace = namespace;
    this.spec = spec;
    this.createdAt = now;
    this.updatedAt = now;
    this.#changes = this.#startPlan(now);
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
    const endpoint = new Endpoint(world, namespace, spec);
    endpoint.#server.listen(0, '127.0.0.1');
    await once(endpoint.#server, 'listening');
    endpoint.#port = (endpoint.#server.address() as AddressInfo).port;
    return endpoint;
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
    const now = this.#world.clock.now();
    if (this.deletedAt !== undefined) return changeAt(this.#changes, this.deletedAt);
    const change = changeAt(this.#changes, now);
    const { minReplica, scaleToZeroTimeout } = this.spec.scaling;
    if (change.state !== 'running' || minReplica > 0 || scaleToZeroTimeout === null || this.inFlight > 0) return change;
    const idleAt = Math.max(change.at, this.lastUsedAt ?? 0) + scaleToZeroTimeout * 60_000;
    if (now < idleAt) return change;
    const slept = this.#at(idleAt, 'scaledToZero', 'Endpoint scaled to zero');
    this.#changes = replan(this.#changes, now, [slept]);
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
    const until = this.deletedAt ?? this.#world.clock.now();
    return this.#changes.filter((each) => each.at <= until);
  }

  /** What it has cost up to now. */
  spentMicroDollars(): number {
    this.now();
    return spentMicroDollars(this.#changes, this.deletedAt ?? this.#world.clock.now());
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
    this.#follow(this.#startPlan(this.#world.clock.now()));
  }

  /** From scaled to zero back to work, without the wait for a machine. */
  wake(): void {
    const now = this.#world.clock.now();
    const { wakeMs } = this.#world.limits;
    this.lastUsedAt = now + wakeMs;
    this.#follow([
      this.#at(now, 'initializing', 'Endpoint is waking up'),
      { ...this.#at(now + wakeMs, 'running', READY), loadedAt: now + wakeMs },
    ]);
  }

  /** Takes on a changed specification; a running endpoint is off the air for a while. */
  update(spec: EndpointSpec): void {
    const now = this.#world.clock.now();
    const { state } = this.now();
    this.spec = spec;
    this.updatedAt = now;
    if (state === 'pending' || state === 'initializing') return this.#follow(this.#startPlan(now));
    if (state !== 'running' && state !== 'updating') return;
    const doneAt = now + this.#world.limits.updateMs;
    this.#follow([
      this.#at(now, 'updating', 'Endpoint is updating'),
      { ...this.#at(doneAt, 'running', READY), loadedAt: doneAt },
    ]);
  }

  /** Brings the listener and the plan in line with the faults in force. */
  async applyFaults(): Promise<void> {
    const { faults, clock } = this.#world;
    const now = clock.now();
    if (this.deletedAt !== undefined) return;
    if (faults.find('endpoint', 'fails', this.name) && this.state !== 'failed') this.fail('Endpoint failed to deploy');
    if (faults.find('management', 'capacity') && this.state === 'pending') {
      const next = this.#changes.find((each) => each.at > now);
      if (next) this.#follow([this.#at(next.at, 'failed', NO_CAPACITY)]);
    }
    if (this.#isShut()) {
      this.#server.close();
      for (const response of this.#answering) if (!response.headersSent) response.destroy();
      if (faults.find('endpoint', 'dies', this.name)) this.#server.closeAllConnections();
      else this.#server.closeIdleConnections();
    } else if (!this.#server.listening) {
      this.#server.listen(this.#port, '127.0.0.1');
      await once(this.#server, 'listening');
    }
  }

  /** Calls that may be worked on at once. */
  get slots(): number {
    return Math.max(1, this.now().replicas) * this.#world.limits.replicaCalls;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** Waits, first come first served, for a place; resolves with false when `onLeave` said that the client has left. */
  async take(onLeave: (leave: () => void) => void): Promise<boolean> {
    this.lastUsedAt = this.#world.clock.now();
    if (this.inFlight < this.slots) {
      this.inFlight += 1;
      return true;
    }
    return new Promise((resolve) => {
      const enter = () => resolve(true);
      this.#waiting.push(enter);
      onLeave(() => {
        const place = this.#waiting.indexOf(enter);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        resolve(false);
      });
    });
  }

  /** Gives the place to the next in the queue. */
  release(): void {
    this.lastUsedAt = this.#world.clock.now();
    const next = this.#waiting.shift();
    if (next) next();
    else this.inFlight -= 1;
  }

  /** Stops the meter and the server; its cost stays known. */
  close(): void {
    this.now();
    this.deletedAt ??= this.#world.clock.now();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Whether a fault keeps the listener closed. */
  #isShut(): boolean {
    const { faults } = this.#world;
    return Boolean(faults.find('endpoint', 'dies', this.name) ?? faults.find('endpoint', 'refuses', this.name));
  }

  #change(state: EndpointState, message: string): void {
    this.#follow([this.#at(this.#world.clock.now(), state, message)]);
  }

  #follow(plan: Change[]): void {
    this.#changes = replan(this.#changes, this.#world.clock.now(), plan);
  }

  #at(at: number, state: EndpointState, message: string): Change {
    const replicas = RENTED.has(state) ? Math.max(1, this.spec.scaling.minReplica) : 0;
    const rate = Math.round(this.spec.compute.pricePerHour * 1_000_000);
    return { at, state, message, replicas, microDollarsPerHour: rate * replicas };
  }

  #startPlan(now: number): Change[] {
    const { limits, faults } = this.#world;
    const scheduledAt = now + limits.pendingMs;
    const runningAt = scheduledAt + limits.initializingMs;
    const pending = this.#at(now, 'pending', 'Endpoint waiting to be scheduled');
    if (faults.find('management', 'capacity')) return [pending, this.#at(scheduledAt, 'failed', NO_CAPACITY)];
    const initializing = this.#at(scheduledAt, 'initializing', 'Endpoint is initializing');
    const problem = deployProblem(this.#world, this.spec);
    if (problem !== undefined) return [pending, initializing, this.#at(runningAt, 'failed', problem)];
    const running = { ...this.#at(runningAt, 'running', READY), loadedAt: runningAt + limits.healthLagMs };
    return [pending, initializing, running];
  }
}

const READY = 'Endpoint is ready';
const NO_CAPACITY = 'Scheduling failure: not enough hardware capacity';
const RENTED: ReadonlySet<EndpointState> = new Set(['initializing', 'updating', 'running']);

/** Why the engine could never load the model on that machine, or undefined. */
function deployProblem(world: World, spec: EndpointSpec): string | undefined {
  const model = world.models.get(spec.model.repository);
  if (!model || model.access === 'private') return `Repository not found: ${spec.model.repository}`;
  if (model.access === 'gated' || model.access === 'closed') return `Access to model ${model.id} is restricted`;
  const gpuGb = spec.compute.gpuMemoryGb;
  // Two bytes for each parameter, before any room for the cache.
  if (gpuGb !== null && model.parameters * 2 > gpuGb * 1e9) return 'torch.OutOfMemoryError: CUDA out of memory';
  return undefined;
}
