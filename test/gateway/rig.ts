import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Arrival, Call, Recorder, Shadow } from '../../src/core/call.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { GATEWAY_ID, knownAfterAllUs } from '../../src/core/call.ts';
import type { CarePolicy } from '../../src/core/policy/care.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Canary, RouteTable, Timeouts, UpstreamKind } from '../../src/core/route.ts';
import { createGateway } from '../../src/gateway/server.ts';
import type { Gateway, GatewayOptions } from '../../src/gateway/server.ts';

/** What an upstream received. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
  /** Connections that are open now. */
  readonly sockets: Set<Socket>;
}

export type Behaviour = (res: ServerResponse, received: Received, req: IncomingMessage) => void;

/** A real HTTP server on its own port; `behave` answers its requests. */
export async function startUpstream(behave: Behaviour): Promise<Upstream> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const one = { method: req.method ?? '', path: req.url ?? '', headers: req.headers, body };
      received.push(one);
      behave(res, one, req);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    sockets,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with JSON of a known length. */
export function json(res: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  const body = JSON.stringify(value);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers });
  res.end(body);
}

/** A whole chat answer. */
export function chatAnswer(model: string, content = 'Hello there'): Record<string, unknown> {
  return {
    id: 'chat-1',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 7, completion_tokens: 11, total_tokens: 18 },
  };
}

/** The events of a streamed chat answer, `usage` after the finish reason, as texts. */
export function chatEvents(model: string, words: readonly string[]): string[] {
  const event = (delta: unknown, finish: string | null) => ({
    id: 'chat-1',
    object: 'chat.completion.chunk',
    created: 1,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const events: unknown[] = [
    event({ role: 'assistant', content: '' }, null),
    ...words.map((content) => event({ content }, null)),
    event({}, 'stop'),
    { ...event({}, null), choices: [], usage: { prompt_tokens: 7, completion_tokens: words.length, total_tokens: 9 } },
  ];
  return [...events.map((one) => `data: ${JSON.stringify(one)}\n\n`), 'data: [DONE]\n\n'];
}

export const SSE = { 'content-type': 'text/event-stream' };

/** A sleep of at most so many ms ends by itself; a longer one when the test moves the clock. */
const SHORT_MS = 100;

/**
 * A clock that a test moves; its fraction still runs so that spans are positive. A short sleep ends when no more calls
 * arrive: then all that were made at once are there, however slow the machine is.
 */
export class TestClock implements Clock {
  readonly scale = 1;
  readonly #arrived: () => number;
  #offset = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  constructor(arrived: () => number) {
    this.#arrived = arrived;
  }

  now(): number {
    return performance.timeOrigin + performance.now() + this.#offset;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const at = this.now() + ms;
    signal?.addEventListener('abort', () => reject(signal.reason as Error));
    if (ms > SHORT_MS) this.#sleepers.push({ at, wake: resolve });
    else {
      void this.quiet().then(() => {
        this.advance(Math.max(0, at - this.now()));
        resolve();
      });
    }
    return promise;
  }

  advance(ms: number): void {
    this.#offset += ms;
    const now = this.now();
    const due = this.#sleepers.filter(({ at }) => at <= now);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > now);
    for (const { wake } of due) wake();
  }

  /** Resolves when no call has arrived in ten turns of the event loop. */
  async quiet(): Promise<void> {
    for (let before = -1; before !== this.#arrived();) {
      before = this.#arrived();
      await pause(2);
      for (let turn = 0; turn < 10; turn++) await nextTurn();
    }
  }
}

const TIMEOUTS: Timeouts = {
  connectMs: 2000,
  firstByteMs: 60_000,
  betweenChunksMs: 120_000,
  totalMs: 1_800_000,
  serverless: { betweenChunksMs: 120_000, totalMs: 1_800_000 },
};

export interface Rig extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly url: string;
  readonly clock: TestClock;
  readonly calls: Call[];
  readonly arrivals: Arrival[];
  readonly failures: { outcome: Outcome; upstream: UpstreamKind }[];
  readonly shadows: Shadow[];
  /** Resolves when `count` calls have been recorded. */
  recorded(count: number): Promise<readonly Call[]>;
}

export interface RigOptions extends Partial<GatewayOptions> {
  readonly router: string;
  readonly endpoint?: string;
  readonly canary?: Partial<Canary>;
  readonly timeouts?: Partial<Timeouts>;
  /** None by default. */
  readonly care?: CarePolicy;
}

export const MODEL = 'acme/tiny';

/** A gateway on a port of its own; with `endpoint`, all eligible chat calls for acme/tiny go there. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const calls: Call[] = [];
  const arrivals: Arrival[] = [];
  const clock = new TestClock(() => arrivals.length);
  const knownAfter = new Map<number, number>();
  const differing: string[] = [];
  const shadows: Shadow[] = [];
  const failures: { outcome: Outcome; upstream: UpstreamKind }[] = [];
  const waiting: { count: number; resolve: (calls: readonly Call[]) => void }[] = [];
  const table = tableFor(options);
  const gateway = createGateway({
    gatewayId: GATEWAY_ID,
    table: () => table,
    routerUrl: options.router,
    token: 'hf_daemon',
    clock,
    recorder: recorder((_, release) => release()),
    agentSalt: 'salt',
    ...options,
    observer: {
      arrived: (arrival) => arrivals.push(arrival),
      sent: () => undefined,
      failed: ({ arrivedAtUs }, outcome, upstream, known) => {
        failures.push({ outcome, upstream });
        knownAfter.set(arrivedAtUs, known);
      },
      shadowed: (_, shadow) => shadows.push(shadow),
      ended: (call) => {
        calls.push(call);
        const [first] = call.attempts;
        const expected = first === undefined || call.outcome === 'ok' ? undefined : knownAfterAllUs(call.attempts);
        const observed = knownAfter.get(call.arrivedAtUs);
        // A call that was never sent has no attempt.
        const isOurs = first === undefined;
        if (observed !== expected && !isOurs) differing.push(`${call.outcome}: observer ${observed}, row ${expected}`);
        for (const wait of waiting) if (calls.length >= wait.count) wait.resolve(calls);
      },
    },
  });
  const { port } = await gateway.listen(0);
  return {
    gateway,
    url: `http://127.0.0.1:${port}`,
    clock,
    calls,
    arrivals,
    failures,
    shadows,
    recorded: (count) => {
      if (calls.length >= count) return Promise.resolve(calls);
      const { promise, resolve } = Promise.withResolvers<readonly Call[]>();
      waiting.push({ count, resolve });
      return promise;
    },
    [Symbol.asyncDispose]: async () => {
      await gateway.close();
      assert.deepEqual(differing, [], 'what the observer got of failures differs from the rows');
    },
  };
}

/** A recorder that keeps nothing. */
export function recorder(record: Recorder['record']): Recorder {
  return { record, recordShadow: () => undefined, isDegraded: false };
}

function tableFor(options: RigOptions): RouteTable {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const canary: Canary | null =
    options.endpoint === undefined
      ? null
      : {
          rolloutId: 'r1',
          toward: 'dedicated',
          step: 5,
          weight: 1,
          affinity: 'call',
          blockMs: 60_000,
          url: options.endpoint,
          servedModel: MODEL,
          shapes: new Set(['chat', 'chat+stream', 'chat+tools', 'embedding']),
          shadow: null,
          ...options.canary,
        };
  const care = options.care ?? null;
  const routes = new Map([[MODEL, { model: MODEL, timeouts, canary, care }]]);
  return { generation: 1, routes, fallback: { timeouts, care } };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Whether the message is complete. */
  readonly isComplete: boolean;
}

export interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** One call through node:http. Rejects only if no response came at all. */
export function ask(
  url: string,
  { path = '/v1/chat/completions', method = 'POST', headers, body }: Ask,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', ...headers };
    const req = request(`${url}${path}`, { method, headers: all, maxHeaderSize: 128 * 1024 });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', () => undefined);
      res.on('close', () => {
        const { statusCode: status = 0, headers, complete: isComplete } = res;
        resolve({ status, headers, body: Buffer.concat(chunks).toString(), isComplete });
      });
    });
    req.end(body);
  });
}

/** The body of a chat call. */
export function chat(more: Record<string, unknown> = {}): string {
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], ...more });
}
