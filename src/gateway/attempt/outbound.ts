import type { Canary, UpstreamKind } from '../../core/route.ts';
import type { Assignment } from '../request/assignment.ts';
import { requestHeaders } from '../request/headers.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Scan } from '../request/scan.ts';
import type { Readable } from 'node:stream';
import { spliceString } from './splice.ts';

/** What an attempt sends, and to which upstream. */
export interface OutboundRequest {
  readonly upstream: UpstreamKind;
  /** The upstream's base URL. */
  readonly url: string;
  readonly path: string;
  readonly method: string;
  /** Names and values in turn. */
  readonly headers: string[];
  /** A stream can be sent once only. */
  readonly body: Buffer | Readable | null;
  /** Real ms. */
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}

// The router itself waits so long for a provider: to give up earlier gains nothing.
const SERVERLESS_FIRST_BYTE_MS = 300_000;

/**
 * The call as serverless gets it: as the client sent it, with the client's credentials if it sent any. `suffix`: the
 * provider that is appended to the model's name; null: none.
 */
export function toServerless(
  incoming: IncomingCall,
  { timeouts, authorization }: Assignment,
  url: string,
  suffix: string | null,
): OutboundRequest {
  const { betweenChunksMs, totalMs } = timeouts.serverless;
  return {
    upstream: 'serverless',
    url,
    path: incoming.destination.path,
    method: incoming.method,
    headers: serverlessHeaders(incoming, authorization),
    body: serverlessBody(incoming, suffix),
    connectMs: timeouts.connectMs,
    firstByteMs: SERVERLESS_FIRST_BYTE_MS,
    betweenChunksMs,
    totalMs,
  };
}

function serverlessHeaders({ rawHeaders, upload }: IncomingCall, authorization: string | null): string[] {
  const headers = requestHeaders(rawHeaders, authorization, true);
  if (upload !== null && upload.length !== null) headers.push('content-length', upload.length);
  return headers;
}

function serverlessBody({ body, upload, content }: IncomingCall, suffix: string | null): OutboundRequest['body'] {
  if (upload !== null) return upload.stream;
  if (body.length === 0 || suffix === null) return body.length === 0 ? null : body;
  const { model, modelStart, modelEnd } = content.scan as Scan;
  return spliceString(body, modelStart, modelEnd, `${model}:${suffix}`);
}

/** The call as the endpoint gets it: with the daemon's token, and with the name that the endpoint has for the model. */
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
