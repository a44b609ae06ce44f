import type { Canary, UpstreamKind } from '../../core/route.ts';
import type { Assignment } from '../request/assignment.ts';
import { requestHeaders } from '../request/headers.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Scan } from '../request/scan.ts';
import { spliceString } from './splice.ts';

/** What an attempt sends, and where. */
export interface OutboundRequest {
  readonly upstream: UpstreamKind;
  /** The upstream's base URL. */
  readonly url: string;
  readonly path: string;
  readonly method: string;
  /** Flat. */
  readonly headers: string[];
  readonly body: Buffer | null;
  /** Real ms. */
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}

// The router itself waits this long for a provider; nothing is gained by giving up before it.
const SERVERLESS_FIRST_BYTE_MS = 300_000;

/**
 * The call as serverless gets it: as the client sent it, with its own credentials where it has any. `suffix`: the
 * provider that is put behind the model's name; null: none.
 */
export function toServerless(
  incoming: IncomingCall,
  { timeouts, authorization }: Assignment,
  url: string,
  suffix: string | null,
): OutboundRequest {
  return {
    upstream: 'serverless',
    url,
    path: incoming.destination.path,
    method: incoming.method,
    headers: requestHeaders(incoming.rawHeaders, authorization, true),
    body: incoming.body.length === 0 ? null : suffix === null ? incoming.body : withSuffix(incoming, suffix),
    connectMs: timeouts.connectMs,
    firstByteMs: SERVERLESS_FIRST_BYTE_MS,
    betweenChunksMs: timeouts.betweenChunksMs,
    totalMs: timeouts.totalMs,
  };
}

function withSuffix({ body, content }: IncomingCall, suffix: string): Buffer {
  const { model, modelStart, modelEnd } = content.scan as Scan;
  return spliceString(body, modelStart, modelEnd, `${model}:${suffix}`);
}

/** The call as the endpoint gets it: with the daemon's token, and the model named as the endpoint names it. */
export function toEndpoint(
  incoming: IncomingCall,
  { timeouts, canary }: Assignment,
  token: string | null,
): OutboundRequest {
  const { url, servedModel } = canary as Canary;
  const { model, modelStart, modelEnd } = incoming.content.scan as Scan;
  return {
    upstream: 'dedicated',
    url,
    path: incoming.destination.path,
    method: incoming.method,
    headers: requestHeaders(incoming.rawHeaders, token === null ? null : `Bearer ${token}`, false),
    body: model === servedModel ? incoming.body : spliceString(incoming.body, modelStart, modelEnd, servedModel),
    connectMs: timeouts.connectMs,
    firstByteMs: timeouts.firstByteMs,
    betweenChunksMs: timeouts.betweenChunksMs,
    totalMs: timeouts.totalMs,
  };
}
