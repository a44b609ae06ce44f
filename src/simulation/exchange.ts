import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Counters } from './counters.ts';

/** One request to the simulation and its answer; `path` is the part after the prefix, without the query. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The part that counts the answer: `router`, `hub`, `management`, `control` or `endpoint:NAME`. */
  readonly upstream: string;
  readonly counters: Counters;
}

/** Splits the URL; `prefix` is cut off the path. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  from: { upstream: string; prefix: string; counters: Counters },
): Exchange {
  const target = (request.url ?? '/').slice(from.prefix.length);
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return {
    request,
    response,
    method: request.method ?? 'GET',
    path: path === '' ? '/' : path,
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
    upstream: from.upstream,
    counters: from.counters,
  };
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The whole body of a request; rejects if the client disconnects or sends more than 64 MiB. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) request.destroy(new Error('body too large'));
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the client broke off')));
  });
}

/** A JSON object; undefined if the text is not one. */
export function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Answers with JSON; `body` may already be JSON text. Counts the answer before sending it. */
export function sendJson(
  exchange: Exchange,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(exchange, status, 'application/json', typeof body === 'string' ? body : JSON.stringify(body), headers);
}

/** Answers 200 with bytes. */
export function sendBytes(
  exchange: Exchange,
  type: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  send(exchange, 200, type, body, headers);
}

export function sendText(exchange: Exchange, status: number, body: string): void {
  send(exchange, status, 'text/plain; charset=utf-8', body, {});
}

function send(
  { response, counters, upstream, request }: Exchange,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.destroyed || response.headersSent) return;
  counters.add(upstream, status);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Cuts the connection without an answer; counted under status 0. */
export function cutOff(exchange: Exchange): void {
  exchange.counters.add(exchange.upstream, 0);
  exchange.request.socket.destroy();
}

/** The token after `Bearer`, or undefined. */
export function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
