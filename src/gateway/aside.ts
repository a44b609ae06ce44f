import type { IncomingMessage, ServerResponse } from 'node:http';
import { isGreeting } from '../core/wire/destination.ts';
import { isForeign } from './request/headers.ts';

/**
 * Answers a request that is no call, and returns whether it was one. Such a request reaches no upstream and leaves no
 * row.
 */
export function answerAside({ method = '', url = '', headers }: IncomingMessage, res: ServerResponse): boolean {
  const { origin } = headers;
  if (!isGreeting(method, url) || (origin !== undefined && isForeign(origin))) return false;
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end('{"message":"upshift is running"}\n');
  return true;
}
