import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Counter, Gauge, Histogram as PromHistogram, Registry } from 'prom-client';
import type { Call, CallObserver } from '../core/call.ts';
import { sumProviders } from '../core/care/providers.ts';
import type { ProviderCounts } from '../core/care/providers.ts';
import { AppError } from '../core/errors.ts';
import type { StatusReport } from '../core/status.ts';
import { addRouteGauges } from './route-gauges.ts';
import type { AddGauge } from './route-gauges.ts';

/** Read-only HTTP beside the gateway: `/healthz` and `/metrics`, on loopback. */
export interface Admin {
  /** Counts a finished call. */
  ended(call: Call): void;
  /** Takes the newest checkpoint of the ledger. `at`: epoch ms. */
  checkpointed(checkpoint: { readonly seals: number; readonly hash: string; readonly at: number }): void;
  listen(port: number): Promise<{ port: number }>;
  close(): Promise<void>;
}

/**
 * `report` gives the daemon's state at the moment it is asked for; `isListed`: whether a policy names a model. Others
 * share the label `other`, since clients choose their names.
 */
export function createAdmin(report: () => StatusReport, isListed: (model: string) => boolean): Admin {
  const registry = new Registry();
  const calls = new Counter({
    name: 'upshift_calls_total',
    help: 'Calls ended, by route, assigned role, upstream that served, and outcome of the assigned attempt',
    labelNames: ['model', 'role', 'upstream', 'outcome'],
    registers: [registry],
  });
  const latency = new PromHistogram({
    name: 'upshift_call_seconds',
    help: 'From arrival to end, by upstream that served',
    labelNames: ['upstream'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
    registers: [registry],
  });
  // prom-client hashes the labels at every call. A map with a short key avoids that.
  const children = new Map<string, { total: Counter.Internal; seconds: PromHistogram.Internal<'upstream'> }>();
  const count = ({ model: named, role, servedBy, outcome, durationUs }: Call) => {
    const model = named === null ? '' : isListed(named) ? named : 'other';
    const upstream = servedBy ?? 'none';
    const key = `${model} ${role} ${upstream} ${outcome}`;
    let child = children.get(key);
    if (child === undefined) {
      const total = calls.labels({ model, role: role ?? 'none', upstream, outcome });
      children.set(key, (child = { total, seconds: latency.labels({ upstream }) }));
    }
    child.total.inc();
    child.seconds.observe(durationUs / 1e6);
  };
  addGauges(registry, onceIn(report));
  const server = createServer((request, response) => {
    answer(request, response, registry, report).catch(() => response.destroy());
  });
  return {
    ended: (call) => count(call),
    checkpointed: checkpointGauges(registry),
    listen: (port) => listen(server, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** So many digits of a hash tell one from another at a glance. */
const HASH_DIGITS = 16;

/** Gauges that let a monitoring system keep the checkpoints, which is a place outside the ledger. */
function checkpointGauges(registry: Registry): Admin['checkpointed'] {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const seals = gauge('upshift_checkpoint_seals', 'Seals that the newest checkpoint of the ledger covers');
  const at = gauge('upshift_checkpoint_timestamp_seconds', 'When the newest checkpoint was written');
  const info = gauge('upshift_checkpoint_info', 'First digits of the hash in the newest checkpoint', ['hash']);
  return (checkpoint) => {
    seals.set(checkpoint.seals);
    at.set(checkpoint.at / 1_000);
    info.reset();
    info.set({ hash: checkpoint.hash.slice(0, HASH_DIGITS) }, 1);
  };
}

/** An observer that also counts finished calls for the metrics. */
export function alsoCounted(observer: CallObserver, admin: Pick<Admin, 'ended'>): CallObserver {
  return {
    arrived: (arrival) => observer.arrived(arrival),
    sent: (arrival) => observer.sent(arrival),
    failed: (...args) => observer.failed(...args),
    ended: (call) => {
      observer.ended(call);
      admin.ended(call);
    },
    shadowed: (...args) => observer.shadowed(...args),
  };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const message = isTaken
        ? `admin port ${port} is in use`
        : `cannot listen on admin port ${port}: ${cause.message}`;
      reject(
        new AppError('conflict', message, { cause, hint: 'stop what uses it, or choose another with --admin-port' }),
      );
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve({ port: typeof address === 'object' && address !== null ? address.port : port });
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  registry: Registry,
  report: () => StatusReport,
): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && request.url === '/metrics') {
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    return;
  }
  if (isRead && request.url === '/healthz') {
    const { ledger, at, version, gateway } = report();
    const isWell = !ledger.isDegraded && ledger.lost === 0 && ledger.fault === null;
    // What this machine could not send is no failed health: a restart would not help.
    const { localTrouble } = gateway;
    const body = { status: isWell ? 'ok' : 'degraded', version, at, ledger, localTrouble };
    // A rollout goes on only after somebody has put the ledger back, so this is for a person to see.
    const status = ledger.fault === null ? 200 : 503;
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    return;
  }
  response.writeHead(404, { 'content-type': 'text/plain' }).end('see /healthz and /metrics\n');
}

/** Gauges of the lanes to serverless, also of models that no policy lists, because there are few of those. */
function addLaneGauges(gauge: AddGauge): void {
  const perLane = (name: string, help: string, value: (lane: StatusReport['lanes'][number]) => number | null) =>
    gauge(
      name,
      help,
      ({ lanes }, set) => {
        for (const lane of lanes) {
          const number = value(lane);
          if (number !== null) set.set({ model: lane.model, provider: lane.provider }, number);
        }
      },
      ['model', 'provider'],
    );
  perLane('upshift_lane_limit', 'Calls per five minutes that serverless is thought to take', ({ limit }) => limit);
  perLane('upshift_lane_waiting', 'Calls that wait for a place', ({ waiting }) => waiting);
  perLane('upshift_lane_in_flight', 'Calls in flight at serverless', ({ inFlight }) => inFlight);
  perLane('upshift_lane_retry_share', 'Retries per call over five minutes', ({ retryShare }) => retryShare);
  perLane('upshift_lane_breaker_open', '1 while the breaker is not closed', ({ breaker }) =>
    breaker.state === 'closed' ? 0 : 1,
  );
  perLane('upshift_lane_refused_here', 'Calls refused here since the start', ({ counts }) => counts.refusedHere);
  const perProvider = (name: string, help: string, value: (counts: ProviderCounts) => number) =>
    gauge(
      name,
      help,
      ({ lanes }, set) => {
        for (const model of new Set(lanes.map((lane) => lane.model))) {
          for (const counts of sumProviders(lanes.filter((lane) => lane.model === model)))
            set.set({ model, provider: counts.provider }, value(counts));
        }
      },
      ['model', 'provider'],
    );
  perProvider('upshift_provider_tried', 'Attempts that a provider got since the start', ({ tried }) => tried);
  perProvider('upshift_provider_refused', 'Those of them that it refused (429)', ({ refused }) => refused);
  perProvider('upshift_provider_faults', 'Those of them that failed by its fault', ({ faults }) => faults);
}

/** Gauges of the calls of the gateway. */
function addCallGauges(gauge: AddGauge): void {
  gauge('upshift_in_flight', 'Calls in flight', ({ gateway }, set) => set.set(gateway.inFlight));
  gauge('upshift_calls_without_token', 'Calls that went out with no token', ({ gateway }, set) =>
    set.set(gateway.withoutToken),
  );
  gauge('upshift_calls_through_outage', 'Calls that the endpoint got because serverless was out', ({ gateway }, set) =>
    set.set(gateway.throughOutage),
  );
  gauge('upshift_calls_ineligible', 'Calls that the endpoint cannot answer', ({ gateway }, set) =>
    set.set(gateway.ineligible),
  );
}

function addGauges(registry: Registry, report: () => StatusReport): void {
  const gauge = (
    name: string,
    help: string,
    read: (status: StatusReport, set: Gauge) => void,
    labelNames: string[] = [],
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        read(report(), this);
      },
    });
  gauge('upshift_ledger_pending', 'Calls waiting in memory for the ledger', ({ ledger }, set) =>
    set.set(ledger.pending),
  );
  gauge('upshift_ledger_fault', '1 while a file of the ledger is deleted or replaced', ({ ledger }, set) =>
    set.set(Number(ledger.fault !== null)),
  );
  gauge('upshift_ledger_lost', 'Calls that could not be written', ({ ledger }, set) => set.set(ledger.lost));
  addCallGauges(gauge);
  addLaneGauges(gauge);
  addRouteGauges(gauge);
}

/** All gauges of one scrape are read in the same turn of the event loop, so that one report is enough for them. */
function onceIn(report: () => StatusReport): () => StatusReport {
  let last: StatusReport | null = null;
  return () => {
    if (last === null) setImmediate(() => (last = null));
    return (last ??= report());
  };
}
