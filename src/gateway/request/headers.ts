import type { IncomingHttpHeaders } from 'node:http';
import { ownCredentials } from '../../core/wire/credentials.ts';

/** On each answer of an upstream: which kind of upstream it came from. */
export const UPSTREAM_HEADER = 'x-upshift-upstream';

/** Only on answers that the gateway made itself: the error's code. */
export const ERROR_HEADER = 'x-upshift-error';

/** On an answer that took more than one attempt: how many. */
export const ATTEMPTS_HEADER = 'x-upshift-attempts';

const DROP = 1; // never sent upstream
const SECRET = 2; // the client's credentials for serverless: never sent to an endpoint
const CONNECTION = 3; // dropped, together with the headers that it names

const REQUEST_RULES: ReadonlyMap<string, number> = new Map(
  (
    [
      ['host', DROP],
      ['content-length', DROP],
      ['connection', CONNECTION],
      ['keep-alive', DROP],
      ['proxy-connection', DROP],
      ['proxy-authenticate', DROP],
      ['proxy-authorization', DROP],
      ['te', DROP],
      ['trailer', DROP],
      ['transfer-encoding', DROP],
      ['upgrade', DROP],
      ['expect', DROP],
      ['accept-encoding', DROP],
      ['authorization', DROP],
      ['x-agent-id', DROP],
      ['x-request-timeout', DROP],
      ['x-api-key', SECRET],
      ['api-key', SECRET],
      ['cookie', SECRET],
      ['x-hf-bill-to', SECRET],
    ] as const
  ).flatMap(([name, rule]) => [
    [name, rule],
    [name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase()), rule],
  ]),
);

const RESPONSE_DROPS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  // What a browser may do with an answer is the gateway's to say.
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-expose-headers',
  'access-control-max-age',
  UPSTREAM_HEADER,
  ERROR_HEADER,
  ATTEMPTS_HEADER,
]);

/**
 * The headers of an attempt, names and values in turn, from a request's raw headers: without hop-by-hop headers, with
 * the given credentials, and asking for an uncompressed answer. The dispatcher adds host, connection and
 * content-length.
 */
export function requestHeaders(raw: readonly string[], authorization: string | null, keepsSecrets: boolean): string[] {
  const out: string[] = [];
  let named: ReadonlySet<string> | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    const rule = REQUEST_RULES.get(name) ?? REQUEST_RULES.get(name.toLowerCase());
    if (rule === undefined || (rule === SECRET && keepsSecrets)) out.push(name, value);
    else if (rule === CONNECTION) named = namedBy(value) ?? named;
  }
  // The client's Connection header removes only headers of the client, never those that are added here.
  const all = named === null ? out : without(out, named);
  all.push('accept-encoding', 'identity');
  if (authorization !== null) all.push('authorization', authorization);
  return all;
}

/** The headers of an answer. One that came several times is a list, whatever it is. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The value of an answer's header: the first, if it came several times. */
export function headerOf(headers: AnswerHeaders, name: string): string | undefined {
  const value = headers[name];
  return value === undefined || typeof value === 'string' ? value : value[0];
}

/** Whether an answer is a stream of events. */
export function isEventStream(headers: AnswerHeaders): boolean {
  return headerOf(headers, 'content-type')?.toLowerCase().trimStart().startsWith('text/event-stream') ?? false;
}

/** Encodings that compress. Some servers name others that are none, as `utf-8`. */
const COMPRESSING = /\b(?:gzip|deflate|br|zstd|compress|dcb|dcz)\b/i;

/** Whether an answer is uncompressed. Some servers compress although they were asked not to. */
export function isPlain(headers: AnswerHeaders): boolean {
  const encoding = headerOf(headers, 'content-encoding');
  return encoding === undefined || !COMPRESSING.test(encoding);
}

/** The headers of an answer, names and values in turn, without hop-by-hop headers and without content-length. */
export function responseHeaders(headers: AnswerHeaders, upstream: string): string[] {
  const out: string[] = [UPSTREAM_HEADER, upstream];
  for (const name in headers) {
    if (RESPONSE_DROPS.has(name)) continue;
    const value = headers[name];
    if (typeof value === 'string') out.push(name, value);
    else if (value !== undefined) for (const each of value) out.push(name, each);
  }
  const { connection } = headers;
  const named = connection === undefined ? null : namedBy(String(connection));
  return named === null ? out : without(out, named);
}

/** The names of the hop-by-hop headers that a `connection` header lists; null if it lists none. */
function namedBy(value: string): ReadonlySet<string> | null {
  if (value === 'keep-alive' || value === 'close') return null;
  const names = value.split(',').map((name) => name.trim().toLowerCase());
  const others = names.filter((name) => name !== '' && name !== 'keep-alive' && name !== 'close');
  return others.length === 0 ? null : new Set(others);
}

function without(flat: readonly string[], names: ReadonlySet<string>): string[] {
  return flat.filter((_, i) => !names.has((flat[i - (i % 2)] as string).toLowerCase()));
}

/** The client's own credentials, as the value of an `Authorization` header; undefined if it sent none. */
export function credentialsOf(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['x-api-key'];
  return ownCredentials(headers.authorization, typeof key === 'string' ? key : undefined);
}
