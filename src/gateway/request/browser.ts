import type { IncomingMessage, ServerResponse } from 'node:http';
import { mayCall } from '../../core/policy/gateway.ts';
import type { GatewayPolicy } from '../../core/policy/gateway.ts';
import { ATTEMPTS_HEADER, ERROR_HEADER, UPSTREAM_HEADER } from './headers.ts';

const METHODS = 'GET, HEAD, POST, PUT, DELETE';
/** `*` means every header, but not to a page that sends cookies: the names beside it do. */
const EXPOSED = `*, ${[UPSTREAM_HEADER, ERROR_HEADER, ATTEMPTS_HEADER].join(', ')}, x-request-id, retry-after`;
/** Seconds for which a browser may remember a preflight; short, because the policy may change. */
const MAX_AGE = '600';

/**
 * Whether a request may be served: it has no `Origin` header, or its origin may call. In the second case the answer
 * will say so to the browser.
 */
export function admitPage({ headers }: IncomingMessage, res: ServerResponse, settings: GatewayPolicy): boolean {
  const { origin } = headers;
  if (origin === undefined) return true;
  if (!mayCall(settings, origin)) return false;
  res.setHeader('access-control-allow-origin', origin);
  res.setHeader('access-control-expose-headers', EXPOSED);
  res.setHeader('vary', 'Origin');
  return true;
}

/** Whether a request is a browser's question whether a page may make another one. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers;
}

/** Answers a preflight of a page that was admitted: whatever it wants to send, it may. */
export function allowRequest({ headers }: IncomingMessage, res: ServerResponse): void {
  const wanted = headers['access-control-request-headers'];
  res.setHeader('access-control-allow-methods', METHODS);
  res.setHeader('access-control-max-age', MAX_AGE);
  if (wanted !== undefined) res.setHeader('access-control-allow-headers', wanted);
  if (headers['access-control-request-private-network'] === 'true') {
    res.setHeader('access-control-allow-private-network', 'true');
  }
  res.writeHead(204);
  res.end();
}
