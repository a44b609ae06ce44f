import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { GATEWAY_ID } from '../../../src/core/call.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { GATEWAY_DEFAULTS } from '../../../src/core/policy/gateway.ts';
import type { Canary, RouteEntry } from '../../../src/core/route.ts';
import { createGateway } from '../../../src/gateway/server.ts';

/**
 * A process with a gateway in it and nothing else: run with --expose-gc and the URLs of a router and of an endpoint.
 */

const [routerUrl = '', endpointUrl = ''] = process.argv.slice(2);
const serverless = { betweenChunksMs: 20_000, totalMs: 60_000 };
const TIMEOUTS = { connectMs: 2_000, firstByteMs: 500, ...serverless, serverless };
const { care } = POLICY_DEFAULTS;
/** As by default, but no call waits for long and the breaker never opens. */
const breaker = { ...care.breaker, faults: 1_000_000 };
const CARE = { ...care, maxWait: 200, retries: { ...care.retries, base: 5 }, breaker };
const MAX_BODY = 256 * 1024;

/** The state of the gateway's process after a garbage collection. */
export interface Snapshot {
  readonly heapBytes: number;
  /** Bytes outside the heap: buffers. */
  readonly bufferBytes: number;
  /** Open connections. */
  readonly fromClients: number;
  readonly toUpstreams: number;
  readonly inFlight: number;
  readonly copies: number;
  readonly requests: number;
  readonly rows: number;
  readonly errors: readonly string[];
}

/** The open connections that such a channel reports. */
function follow(channel: string): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  subscribe(channel, (message) => {
    const { socket } = message as { socket: Socket };
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return open;
}

const fromClients = follow('net.server.socket');
const toUpstreams = follow('net.client.socket');
let rows = 0;
const errors: string[] = [];
const gateway = createGateway({
  gatewayId: GATEWAY_ID,
  table: () => ({ generation: 1, routes, fallback: { timeouts: TIMEOUTS, care: CARE } }),
  routerUrl,
  token: 'hf_daemon',
  clock: { scale: 1, now: () => performance.timeOrigin + performance.now(), sleep: () => Promise.reject(new Error()) },
  recorder: {
    record: (_, release) => void (rows++, setImmediate(release)),
    recordShadow: () => undefined,
    isDegraded: false,
  },
  observer: {
    arrived: () => undefined,
    sent: () => undefined,
    failed: () => undefined,
    ended: () => undefined,
    shadowed: () => undefined,
  },
  agentSalt: 'salt',
  settings: () => ({ ...GATEWAY_DEFAULTS, maxBody: MAX_BODY, oversized: 'reject' }),
  log: (level, message, facts) => {
    if (level === 'error') errors.push(`${level}: ${message} ${JSON.stringify(facts)}`);
  },
});

const routes = new Map<string, RouteEntry>([
  ['acme/split', entry('acme/split', { weight: 0.5, servedModel: '/repository' })],
  [
    'acme/copied',
    entry('acme/copied', { shadow: { share: 0.5, concurrency: 8, calls: 10_000, exclude: new Set<string>() } }),
  ],
]);

function entry(model: string, more: Partial<Canary>): RouteEntry {
  const canary: Canary = {
    rolloutId: model,
    toward: 'dedicated',
    step: 1,
    weight: 0,
    affinity: 'call',
    blockMs: 60_000,
    url: endpointUrl,
    servedModel: model,
    shapes: new Set(['chat', 'chat+stream', 'embedding']),
    shadow: null,
    ...more,
  };
  return { model, timeouts: TIMEOUTS, canary, care: CARE };
}

function snapshot(): Snapshot {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return {
    heapBytes: heapUsed,
    bufferBytes: arrayBuffers,
    fromClients: fromClients.size,
    toUpstreams: toUpstreams.size,
    inFlight: [...gateway.inFlight()].length,
    copies: gateway.shadowCounts('acme/copied').inFlight,
    requests: gateway.counters.requests,
    rows,
    errors,
  };
}

const { port } = await gateway.listen(0);
process.on('message', (wish) => {
  if (wish === 'close') void gateway.close().then(() => process.disconnect());
  else process.send?.(snapshot());
});
process.send?.({ port });
