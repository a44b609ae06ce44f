import type { EndpointState } from '../core/endpoint-state.ts';
import { AppError, errorMessage } from '../core/errors.ts';
import type { Endpoint } from './endpoint/endpoint.ts';
import type { Fleet } from './endpoint/fleet.ts';
import type { Change } from './endpoint/life.ts';
import { parseObject, readBody, sendJson } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { parseFault } from './faults.ts';
import type { Fault } from './faults.ts';
import type { Router } from './router/router.ts';
import type { World } from './world.ts';

/** An endpoint seen from inside the simulation; times are clock time. */
interface EndpointReport {
  readonly name: string;
  readonly namespace: string;
  readonly state: EndpointState;
  readonly isLoaded: boolean;
  readonly url: string | null;
  readonly repository: string;
  readonly instance: string;
  readonly pricePerHour: number;
  readonly spentMicroDollars: number;
  readonly createdAt: number;
  readonly deletedAt: number | null;
  readonly inFlight: number;
  readonly queued: number;
  readonly tags: readonly string[];
  readonly history: readonly Pick<Change, 'at' | 'state' | 'message' | 'replicas'>[];
}

/** The parts of a simulation that the control routes read and switch. */
export interface SimulationParts {
  readonly world: World;
  readonly router: Router;
  readonly fleet: Fleet;
}

/** The body of `GET /control/state`. */
export interface SimulationState {
  readonly startedAt: number;
  readonly now: number;
  readonly scale: number;
  /** Answers by part and status; status 0 is a connection that was cut or left hanging. */
  readonly counters: Record<string, Record<string, number>>;
  readonly router: { readonly inFlight: number; readonly window: Record<string, number> };
  /** Existing and deleted ones, oldest first. */
  readonly endpoints: readonly EndpointReport[];
  readonly created: number;
  readonly spentMicroDollars: number;
  readonly faults: readonly Fault[];
}

export function readState({ world, router, fleet }: SimulationParts): SimulationState {
  const endpoints = fleet
    .all()
    .sort((left, right) => left.createdAt - right.createdAt)
    .map(reportOf);
  return {
    startedAt: world.startedAt,
    now: world.clock.now(),
    scale: world.clock.scale,
    counters: world.counters.snapshot(),
    router: { inFlight: router.inFlight, window: router.window() },
    endpoints,
    created: endpoints.length,
    spentMicroDollars: endpoints.reduce((sum, each) => sum + each.spentMicroDollars, 0),
    faults: world.faults.list(),
  };
}

function reportOf(endpoint: Endpoint): EndpointReport {
  const { spec } = endpoint;
  return {
    name: endpoint.name,
    namespace: endpoint.namespace,
    state: endpoint.state,
    isLoaded: endpoint.isLoaded(),
    url: endpoint.url,
    repository: spec.model.repository,
    instance: `${spec.compute.vendor} ${spec.compute.region} ${spec.compute.instanceType} ${spec.compute.instanceSize}`,
    pricePerHour: spec.compute.pricePerHour,
    spentMicroDollars: endpoint.spentMicroDollars(),
    createdAt: endpoint.createdAt,
    deletedAt: endpoint.deletedAt ?? null,
    inFlight: endpoint.inFlight,
    queued: endpoint.queued,
    tags: spec.tags,
    history: endpoint.history().map(({ at, state, message, replicas }) => ({ at, state, message, replicas })),
  };
}

/**
 * `GET /state`; `POST /faults` with `{target, kind, share?, factor?, name?, lastsMs?}` switches a fault on, and with
 * `{clear: true, target?, kind?}` switches faults off. The answer lists the faults that are then in force.
 */
export async function answerControl(parts: SimulationParts, exchange: Exchange): Promise<void> {
  const { world, fleet } = parts;
  if (exchange.method === 'GET' && exchange.path === '/state') return sendJson(exchange, 200, readState(parts));
  if (exchange.path !== '/faults') return sendJson(exchange, 404, { error: 'Not Found' });
  if (exchange.method === 'POST') {
    const body = parseObject(await readBody(exchange.request));
    try {
      if (body?.['clear'] === true) clearFaults(world, body);
      else world.faults.set(parseFault(body));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return sendJson(exchange, 400, { error: errorMessage(error) });
    }
    await fleet.applyFaults();
  }
  sendJson(exchange, 200, { faults: world.faults.list() });
}

function clearFaults(world: World, body: Record<string, unknown>): void {
  if (body['target'] === undefined) return world.faults.clear();
  const kind = body['kind'] === undefined ? undefined : parseFault(body);
  world.faults.clear(body['target'] as Fault['target'], kind?.kind);
}
