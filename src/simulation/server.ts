import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { answerControl, readState } from './control.ts';
import type { SimulationParts, SimulationState } from './control.ts';
import { createCounters } from './counters.ts';
import { seededDice } from './dice.ts';
import { Fleet } from './endpoint/fleet.ts';
import { openExchange, sendJson } from './exchange.ts';
import { createFaultBoard } from './faults.ts';
import type { Fault, FaultInput } from './faults.ts';
import { answerHub } from './hub/hub.ts';
import { DEFAULT_MODELS } from './hub/models.ts';
import type { SimulatedModel } from './hub/models.ts';
import { createKeeper, readKept } from './keeper.ts';
import type { Kept } from './keeper.ts';
import { DEFAULT_LIMITS, defaultOwner } from './limits.ts';
import type { Limits, TokenOwner } from './limits.ts';
import { answerManagement } from './management/management.ts';
import { answerMedia } from './router/native.ts';
import { Router } from './router/router.ts';
import { createUsageBook } from './usage.ts';
import type { World } from './world.ts';

export interface SimulationOptions {
  /** May be scaled. All latencies, states and costs use this clock; sockets are real. */
  readonly clock: Clock;
  /** 0, the default, means any free port. */
  readonly port?: number;
  /** The same seed repeats the same latencies and failures; 1 by default. */
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  readonly models?: readonly SimulatedModel[];
  /** The account's quota of accelerators by instance type; the catalogue's if left out. */
  readonly quotas?: Readonly<Record<string, number>>;
  /** The owner of a token; undefined refuses the token. `defaultOwner` describes the default. */
  readonly tokens?: (token: string | undefined) => TokenOwner | undefined;
  /**
   * The file that keeps endpoints, their history and the bill, so that a killed simulation has them again after a
   * restart. Its clock must then continue from the same `clockStart`. Faults, counters and calls in flight are not
   * kept. Without this path nothing is kept.
   */
  readonly keep?: { readonly path: string; readonly clockStart: number };
}

/** A running local Hugging Face. */
export interface Simulation extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The value for `UPSHIFT_ROUTER_URL`. */
  readonly routerUrl: string;
  /** The value for `HF_ENDPOINT`. */
  readonly hubUrl: string;
  /** The value for `UPSHIFT_ENDPOINTS_URL`; without `/v2`. */
  readonly endpointsUrl: string;
  readonly controlUrl: string;
  state(): SimulationState;
  /** The cost of an endpoint up to now; deleted endpoints are known too. */
  spentMicroDollars(name: string): number;
  /** Switches a fault on; resolves when it is in force. */
  setFault(fault: FaultInput): Promise<void>;
  clearFaults(target?: Fault['target'], kind?: Fault['kind']): Promise<void>;
  /** Stops all servers and cuts what is still open. */
  close(): Promise<void>;
}

/**
 * Starts a local Hugging Face over real HTTP on loopback: the router under `/router`, the Hub under `/hub`, the
 * management API under `/endpoints`, fault switches and figures under `/control`, generated pictures under `/media`.
 * Each dedicated endpoint has its own port.
 */
export async function startSimulation(options: SimulationOptions): Promise<Simulation> {
  const kept = options.keep === undefined ? null : readKept(options.keep.path);
  let port = kept?.port ?? 0;
  const parts = createParts(options, kept, () => port);
  const { world, fleet } = parts;
  const server = createServer((request, response) => {
    dispatch(parts, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  // Longer than any client keeps an idle connection, so that no call uses a connection that is just being closed.
  server.keepAliveTimeout = 65_000;
  server.listen(options.port || port, '127.0.0.1');
  await once(server, 'listening').catch((cause: unknown) => {
    const hint = 'choose another port, or 0 for any free one';
    throw new AppError('conflict', `the simulation cannot listen on port ${options.port || port}`, { cause, hint });
  });
  ({ port } = server.address() as AddressInfo);
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    fleet.close();
    world.keeper.close();
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  try {
    await fleet.reopen(kept?.endpoints ?? []);
    world.keeper.now();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    routerUrl: `${url}/router`,
    hubUrl: `${url}/hub`,
    endpointsUrl: `${url}/endpoints`,
    controlUrl: `${url}/control`,
    state: () => readState(parts),
    spentMicroDollars: (name) => fleet.find(name).spentMicroDollars(),
    async setFault(fault) {
      world.faults.set(fault);
      await fleet.applyFaults();
    },
    async clearFaults(target, kind) {
      world.faults.clear(target, kind);
      await fleet.applyFaults();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function createParts(options: SimulationOptions, kept: Kept | null, port: () => number): SimulationParts {
  const seed = options.seed ?? 1;
  let ids = 0;
  const world: World = {
    clock: options.clock,
    startedAt: kept?.startedAt ?? options.clock.now(),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    models: new Map((options.models ?? DEFAULT_MODELS).map((model) => [model.id, model])),
    quotas: options.quotas ?? {},
    owner: options.tokens ?? defaultOwner,
    dice: seededDice(seed),
    faults: createFaultBoard(seededDice(seed + 1), options.clock),
    counters: createCounters(),
    usage: createUsageBook(kept?.usage ?? []),
    keeper: createKeeper(options.keep?.path ?? null, () => ({
      version: 1,
      startedAt: world.startedAt,
      port: port(),
      scale: world.clock.scale,
      clockStart: options.keep?.clockStart ?? 0,
      endpoints: fleet.kept(),
      usage: world.usage.list(),
    })),
    newId: (prefix) => `${prefix}-${(ids += 1)}`,
  };
  const fleet = new Fleet(world);
  return { world, fleet, router: new Router(world) };
}

async function dispatch(parts: SimulationParts, request: IncomingMessage, response: ServerResponse) {
  const prefix = /^\/(router|hub|endpoints|control|media)(?=[/?]|$)/.exec(request.url ?? '')?.[0] ?? '';
  const upstream = prefix === '/endpoints' ? 'management' : prefix.slice(1) || 'other';
  const exchange = openExchange(request, response, { upstream, prefix, counters: parts.world.counters });
  switch (prefix) {
    case '/router':
      return parts.router.answer(exchange);
    case '/hub':
      return answerHub(parts.world, exchange);
    case '/endpoints':
      return answerManagement(parts, exchange);
    case '/control':
      return answerControl(parts, exchange);
    case '/media':
      return answerMedia(exchange);
    default: {
      const parts = ['/router', '/hub', '/endpoints', '/control'].join(', ');
      return sendJson(exchange, 404, { error: `Not Found: the simulation answers under ${parts}` });
    }
  }
}
