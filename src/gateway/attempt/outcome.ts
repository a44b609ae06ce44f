import type { Outcome } from '../../core/outcome.ts';
import type { UpstreamKind } from '../../core/route.ts';
import { proxyMeaning } from '../../core/wire/proxy-answers.ts';
import { wasAnswered } from './connector.ts';

/**
 * The outcome of an attempt with this HTTP status. A redirect is the router's right, but no answer of an endpoint: where
 * it leads nobody sends a call.
 */
export function outcomeOfStatus(status: number, upstream: UpstreamKind): Outcome {
  if (status < 300) return 'ok';
  if (status < 400) return upstream === 'dedicated' ? 'server_error' : 'ok';
  if (status >= 500) return status === 503 ? 'unavailable' : 'server_error';
  if (status === 429) return 'rate_limited';
  if (status === 402) return 'no_credits';
  if (status === 401 || status === 403) return 'unauthorized';
  return status === 404 || status === 410 ? 'not_found' : 'client_error';
}

/** Whether the body of a 400 from an endpoint says that the endpoint is paused. */
export function saysPaused(body: string): boolean {
  return proxyMeaning(400, body) === 'paused';
}

/**
 * What this machine lacks: file descriptors, local ports, memory for sockets, a network. The call was not sent, and no
 * upstream is to blame.
 */
const LOCAL_TROUBLE: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
  'ENETDOWN',
  'ERR_MEMORY_ALLOCATION_FAILED',
]);

/**
 * Errors of the dispatcher that show that bytes of an answer came, even if it reported none of it: headers that are too
 * large, an answer of another length than it says, an answer or a change of protocol that nobody asked for. The
 * upstream has taken such a call, so that it must not be sent again.
 */
const ANSWERED: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);
const UNASKED: ReadonlySet<string> = new Set(['bad response', 'bad upgrade']);

/**
 * The outcome of an attempt that ended with an error of the dispatcher (undici 8: docs/docs/api/Errors.md). If no byte
 * of an answer came, the connection failed; that includes a reused connection that was reset. Bytes that are not HTTP
 * are a broken answer; undici gives some of these errors no code.
 */
export function outcomeOfError(error: Error, hasAnswer: boolean): Outcome {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'gateway_error';
  if (
    hasAnswer ||
    wasAnswered(error) ||
    ANSWERED.has(code) ||
    code.startsWith('HPE_') ||
    error.name === 'HTTPParserError'
  ) {
    return 'broken_stream';
  }
  if (code === 'UND_ERR_SOCKET' && UNASKED.has(error.message)) return 'broken_stream';
  return isLocal(error) ? 'local_error' : 'connect_failed';
}

/** What says nothing of a host: this machine has no way to any address of that family. */
const NO_WAY: ReadonlySet<string> = new Set(['ENETUNREACH', 'EAFNOSUPPORT']);

/**
 * Whether an error is the trouble of this machine. One that stands for several has tried several addresses of a host. It
 * is, unless one of them shows something of the host: a machine without IPv6 says EADDRNOTAVAIL of every such address.
 */
function isLocal(error: Error): boolean {
  if (error instanceof AggregateError) {
    const errors = error.errors.filter((each): each is Error => each instanceof Error && !hasNoWay(each));
    return errors.length > 0 && errors.every(isLocal);
  }
  if ('code' in error && LOCAL_TROUBLE.has(String(error.code))) return true;
  if (error instanceof RangeError && /allocation failed/i.test(error.message)) return true;
  return error.cause instanceof Error && isLocal(error.cause);
}

function hasNoWay(error: Error): boolean {
  return 'code' in error && NO_WAY.has(String(error.code));
}
