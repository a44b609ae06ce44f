import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayPolicy } from '../core/policy/gateway.ts';
import { isGreeting } from '../core/wire/destination.ts';
import { admitPage, allowRequest, isPreflight } from './request/browser.ts';
import { foreignOrigin, sendReply } from './request/reply.ts';

/**
 * Answers a request that is no call (a browser's preflight, or a look whether a server is there), and returns whether it
 * was one. Such a request reaches no upstream and leaves no row.
 */
export function answerAside(req: IncomingMessage, res: ServerResponse, settings: GatewayPolicy): boolean {
  const { method = '', url = '', headers } = req;
  const isAsked = isPreflight(req);
  if (!isAsked && !isGreeting(method, url)) return false;
  req.resume();
  if (!admitPage(req, res, settings)) sendReply(res, foreignOrigin(headers.origin ?? ''));
  else if (isAsked) allowRequest(req, res);
  else {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end('{"message":"upshift is running"}\n');
  }
  return true;
}
