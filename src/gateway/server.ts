import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { CallObserver, Recorder } from '../core/call.ts';
import type { LaneKey, LaneStatus, LearnedLane } from '../core/care/lane-status.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { FormMemory } from '../core/form/memory.ts';
import { GATEWAY_DEFAULTS } from '../core/policy/gateway.ts';
import type { GatewayPolicy } from '../core/policy/gateway.ts';
import type { RouteTable } from '../core/route.ts';
import type { LocalTrouble } from '../core/status.ts';
import { REPORT_PATH } from '../core/wire/bypass.ts';
import type { EndpointCapacity } from '../core/overflow/endpoint-load.ts';
import type { EndpointLoadStatus } from '../core/overflow/load-status.ts';
import { NO_PROXIES } from '../core/wire/proxy.ts';
import type { Proxies } from '../core/wire/proxy.ts';
import { answerAside } from './aside.ts';
import { dispatchersThrough, Targets } from './attempt/targets.ts';
import type { DispatcherFor } from './attempt/targets.ts';
import { Unreached } from './attempt/unreached.ts';
import { Batches } from './batch/batches.ts';
import { answerReport } from './bypass.ts';
import type { TakeBypassed } from './bypass.ts';
import { Lanes } from './care/lanes.ts';
import { Exchange } from './exchange.ts';
import { Forms } from './form/forms.ts';
import type { InFlight } from './exchange.ts';
import { guarded } from './guarded.ts';
import { LiveSet } from './live-set.ts';
import type { OverflowRule } from './overflow/endpoint-gate.ts';
import { EndpointGates } from './overflow/endpoint-gates.ts';
import { Agents } from './request/agent.ts';
import { Hashes } from './request/hashes.ts';
import { LearnedLimits } from './request/learned-limits.ts';
import { Sessions } from './request/sessions.ts';
import { Repeats } from './request/repeats.ts';
import { Shadows } from './shadow/shadows.ts';
import type { ShadowCounts } from './shadow/shadows.ts';
import type { Counters, Log, Shared } from './shared.ts';
import { UnreadableRequests } from './unreadable.ts';

export interface GatewayOptions {
  /** Number of this gateway in the ledger. */
  readonly gatewayId: number;
  /** Returns the routes in force; called once per call. */
  readonly table: () => RouteTable;
  /** Base URL of the serverless router; may have a path prefix. */
  readonly routerUrl: string;
  /** The daemon's own token, without `Bearer`. */
  readonly token: string | null;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly observer: CallObserver;
  /** The key for derived agent ids: they stay the same across restarts, and nobody else can compute them. */
  readonly agentSalt: string;
  /** Stores reports of calls that went past the gateway; without it there is no path for reports. */
  readonly takeBypassed?: TakeBypassed;
  /** What a former process learned about the limits of upstreams. */
  readonly learned?: Iterable<readonly [LaneKey, LearnedLane]>;
  /** The proxies between the gateway and its upstreams; none by default. */
  readonly proxies?: Proxies;
  readonly dispatcherFor?: DispatcherFor;
  readonly log?: Log;
  /** What the gateway takes; called once per request. The defaults of a policy if it is left out. */
  readonly settings?: () => GatewayPolicy;
  /** For what answers hold until their forms are known; 32 MB by default. */
  readonly formMemory?: FormMemory;
}

export interface Gateway {
  /** Accepts calls. A host that is not loopback is `invalid`; a port in use is a `conflict`. */
  listen(port: number, host?: string): Promise<{ port: number }>;
  /** The calls that have been assigned and have not ended. */
  inFlight(): Iterable<InFlight>;
  /** What happened to the calls of a rollout that were chosen to be copied. */
  shadowCounts(rolloutId: string): Readonly<ShadowCounts>;
  /** Each lane that has been used: its limit, the calls that wait, its breaker. */
  lanes(): Iterable<LaneKey & LaneStatus>;
  /** Says what is known of the room of the endpoint at a URL, and what may be done without room. */
  told(url: string, capacity: EndpointCapacity, rule: OverflowRule): void;
  /** How full the endpoint at a URL is; null if it has had no call. */
  endpointLoad(url: string): EndpointLoadStatus | null;
  /** What each lane has learned; null if it has learned nothing, or has discarded what it had learned. */
  learned(): Iterable<readonly [LaneKey, LearnedLane | null]>;
  /**
   * Stops accepting, waits up to `ms` real milliseconds for the calls in flight, then cuts them. Cuts copies at once.
   */
  drain(ms: number): Promise<{ finished: number; cut: number }>;
  /** Cuts everything at once. */
  close(): Promise<void>;
  readonly counters: Readonly<Counters>;
  /** The attempts that this machine could not send; null if there were none. */
  localTrouble(): LocalTrouble | null;
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);
const POLL_MS = 20;
const MOST_STALL_MS = 1_000;
const CHECK_MS = 50;

/** Creates the data plane. It owns its server and its connections: call `close()` in the end. */
export function createGateway(options: GatewayOptions): Gateway {
  const shared = share(options);
  const { live, counters } = shared;
  const { takeBypassed } = options;
  let isDraining = false;
  const handle: RequestListener = (req, res) => {
    if (isDraining) res.shouldKeepAlive = false;
    if (takeBypassed !== undefined && req.url === REPORT_PATH) return answerReport(req, res, takeBypassed, shared);
    if (req.method !== 'POST' && answerAside(req, res, shared.settings())) return;
    counters.requests++;
    const exchange = new Exchange(shared, req, res);
    live.add(exchange);
    exchange.start();
  };
  const server = serve(handle, new UnreadableRequests(shared, live));
  const stopChecks = startChecks(shared);

  async function drain(ms: number): Promise<{ finished: number; cut: number }> {
    isDraining = true;
    shared.shadows.close();
    const before = counters.requests - live.size;
    for (const exchange of live) exchange.closeAfter();
    const closed = stopAccepting(server);
    const deadline = performance.now() + ms;
    while (live.size > 0 && performance.now() < deadline) await pause();
    const cutBefore = counters.cut;
    for (const exchange of live) exchange.cut();
    while (live.size > 0) await pause();
    stopChecks();
    server.closeAllConnections();
    await closed;
    await shared.targets.close();
    const cut = counters.cut - cutBefore;
    return { finished: counters.requests - before - cut, cut };
  }

  return {
    listen: (port, host = '127.0.0.1') => listen(server, port, host),
    inFlight: () => inFlight(live),
    lanes: () => shared.lanes.status(),
    learned: () => shared.lanes.learned(),
    told: (url, capacity, rule) => shared.gates.told(url, capacity, rule),
    endpointLoad: (url) => shared.gates.status(url),
    shadowCounts: (rolloutId) => shared.shadows.countsOf(rolloutId),
    drain,
    close: async () => {
      await drain(0);
    },
    counters,
    localTrouble: () => shared.unreached.local,
  };
}

/** A server that leaves every refusal to us: those that Node makes by itself would leave no row. */
function serve(handle: RequestListener, unreadable: UnreadableRequests): Server {
  // Clients close idle connections themselves, because a call on a connection that is being closed would be reset. A
  // timer for each connection would cost every call 2 to 3 us; the kernel's keep-alive probes find clients that are
  // gone.
  const settings = { keepAliveTimeout: 0, keepAlive: true, noDelay: true, requireHostHeader: false };
  const server = createServer(settings, handle);
  server.on('checkExpectation', handle);
  server.on('clientError', (error, socket) => unreadable.take(error, socket as Socket));
  return server;
}

/** What a gateway has beyond what its calls see. */
interface Parts extends Shared {
  readonly live: LiveSet<Exchange>;
  readonly shadows: Shadows;
}

/** Checks at intervals for attempts that are silent and calls that wait too long. Returns a function that ends it. */
function startChecks({ live, shadows, lanes, gates, clock, coarse }: Parts): () => void {
  let checkedAt = performance.now();
  const checking = setInterval(() => {
    // While this process was blocked it read no answers: that time does not count as silence of an upstream.
    const now = performance.now();
    coarse.nowMs += Math.min(now - checkedAt, MOST_STALL_MS);
    checkedAt = now;
    for (const exchange of live) exchange.expire(coarse.nowMs);
    shadows.expire(coarse.nowMs);
    lanes.sweep();
    gates.sweep(clock.now());
  }, CHECK_MS);
  checking.unref();
  return () => clearInterval(checking);
}

function share(options: GatewayOptions): Parts {
  const { clock, log = () => undefined } = options;
  const [hashes, coarse] = [new Hashes(), { nowMs: performance.now() }];
  let lastArrivalUs = 0;
  return {
    gatewayId: options.gatewayId,
    table: options.table,
    routerUrl: options.routerUrl,
    token: options.token,
    recorder: options.recorder,
    observer: guarded(options.observer, log),
    agents: new Agents(options.agentSalt),
    sessions: new Sessions(options.agentSalt),
    hashes,
    repeats: new Repeats(hashes),
    unreached: new Unreached(
      (message, facts) => log('warn', message, facts),
      () => clock.now(),
    ),
    targets: new Targets(options.dispatcherFor ?? dispatchersThrough(options.proxies ?? NO_PROXIES)),
    settings: options.settings ?? (() => GATEWAY_DEFAULTS),
    limits: new LearnedLimits(),
    live: new LiveSet<Exchange>(),
    shadows: new Shadows(),
    lanes: lanesOf(options),
    batches: new Batches(clock),
    clock,
    counters: { requests: 0, refused: 0, fallbacks: 0, retries: 0, withoutToken: 0, clientsLeft: 0, cut: 0 },
    coarse,
    gates: new EndpointGates(coarse),
    // Not the error's message, because it could hold a part of an answer.
    forms: new Forms(({ name }) => log('error', 'the form of an answer is lost', { error: name }), options.formMemory),
    log,
    nowUs: () => Math.floor(clock.now() * 1000),
    nextArrivalUs: () => (lastArrivalUs = Math.max(Math.floor(clock.now() * 1000), lastArrivalUs + 1)),
  };
}

/** Creates the lanes that a former process learned about, so that they are in the status before the next call. */
function lanesOf({ clock, learned, table }: GatewayOptions): Lanes {
  const lanes = new Lanes(clock, learned);
  for (const [{ model, provider }] of learned ?? []) {
    const { routes, fallback } = table();
    const { care } = routes.get(model) ?? fallback;
    if (care !== null) lanes.of(model, provider, care);
  }
  return lanes;
}

/**
 * Connections that may wait while this process is busy. The kernel resets some of those beyond it, and their calls would
 * fail without a row in the ledger. The kernel's own limit (`net.core.somaxconn`, usually 4096) applies too.
 */
const BACKLOG = 4_096;

function listen(server: Server, port: number, host: string): Promise<{ port: number }> {
  if (!LOOPBACK.has(host)) {
    throw new AppError('invalid', `host ${host} is not loopback`, {
      hint: 'listen on 127.0.0.1 and put a proxy that checks its callers in front of it',
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<{ port: number }>();
  const onError = (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EADDRINUSE') reject(new AppError('internal', `cannot listen on ${host}:${port}`, { cause }));
    else {
      const hint = 'stop the program that uses it (another upshift?), or choose another port with --port';
      reject(new AppError('conflict', `port ${port} on ${host} is in use`, { hint, cause }));
    }
  };
  server.once('error', onError);
  server.listen({ port, host, backlog: BACKLOG }, () => {
    server.off('error', onError);
    resolve({ port: (server.address() as AddressInfo).port });
  });
  return promise;
}

function* inFlight(live: Iterable<Exchange>): Generator<InFlight> {
  for (const exchange of live) {
    const { inFlight: call } = exchange;
    if (call !== null) yield call;
  }
}

function stopAccepting(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  return promise;
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, POLL_MS));
}
