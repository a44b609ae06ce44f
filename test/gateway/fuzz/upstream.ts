import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SSE, chatAnswer, chatEvents, json } from '../rig.ts';

/** How an upstream answers, by the header `x-behave`. */
export const BEHAVIOURS = [
  'busy',
  'broken',
  'loading',
  'paused',
  'big',
  'cut',
  'short',
  'long',
  'reset',
  'mute',
  'noise',
  'informed',
] as const;
type Behaviour = (typeof BEHAVIOURS)[number];

export interface OddUpstream extends AsyncDisposable {
  readonly url: string;
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Answers that have not ended. */
  readonly busy: ReadonlySet<ServerResponse>;
}

/**
 * Answers chat calls as `x-behave` says, and everything else with a small JSON object with the number of bytes
 * received.
 */
export async function startOddUpstream(onSeen: (call: string) => void): Promise<OddUpstream> {
  const sockets = new Set<Socket>();
  const busy = new Set<ServerResponse>();
  const server = createServer((req, res) => {
    busy.add(res);
    res.on('close', () => busy.delete(res));
    const chunks: Buffer[] = [];
    req.on('error', () => undefined);
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const call = String(req.headers['x-call']);
      onSeen(call);
      answer(req, res, Buffer.concat(chunks));
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    busy,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  const behaviour = req.headers['x-behave'] as Behaviour | undefined;
  if (behaviour !== undefined && Object.hasOwn(ODD, behaviour)) return ODD[behaviour](res);
  const { model, stream } = modelIn(body);
  const call = String(req.headers['x-call']);
  if (req.url !== '/v1/chat/completions') return json(res, 200, { bytes: body.length });
  if (!stream) return json(res, 200, chatAnswer(model, call));
  res.writeHead(200, SSE);
  for (const event of chatEvents(model, [call])) res.write(event);
  res.end();
}

function modelIn(body: Buffer): { model: string; stream: boolean } {
  try {
    const { model, stream } = JSON.parse(body.toString()) as { model: unknown; stream: unknown };
    return { model: String(model), stream: stream === true };
  } catch {
    return { model: '', stream: false };
  }
}

const JSON_TYPE = { 'content-type': 'application/json' };

const ODD: Readonly<Record<Behaviour, (res: ServerResponse) => void>> = {
  busy: (res) => json(res, 429, { error: { message: 'slow down', code: 'rate_limit_exceeded' } }),
  broken: (res) => json(res, 500, { error: { message: 'x'.repeat(100_000) } }),
  loading: (res) => json(res, 503, { error: 'loading' }),
  paused: (res) => json(res, 400, { error: 'The endpoint is paused' }),
  big: (res) => {
    res.writeHead(200, JSON_TYPE);
    res.end(Buffer.alloc(1_000_000, 0x20));
  },
  cut: (res) => {
    res.writeHead(200, SSE);
    res.write('data: {"choices":[', () => res.destroy());
  },
  short: (res) => {
    res.writeHead(200, { ...JSON_TYPE, 'content-length': 100 });
    res.write('{}', () => res.destroy());
  },
  long: (res) => void res.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}{"and":"more"}'),
  reset: (res) => void res.socket?.resetAndDestroy(),
  mute: () => undefined,
  noise: (res) => void res.socket?.end(Buffer.from([0, 255, 13, 10, 13, 10, 1, 2, 3])),
  informed: (res) => {
    res.writeProcessing();
    json(res, 200, { ok: true });
  },
};
