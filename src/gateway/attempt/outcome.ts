import type { Outcome } from '../../core/outcome.ts';
import type { UpstreamKind } from '../../core/route.ts';
import { proxyMeaning } from '../../core/wire/proxy-answers.ts';

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
 * The outcome of an attempt that ended with an error of the dispatcher (undici 8: docs/docs/api/Errors.md). If no
 * answer had begun, the connection failed; that includes a reused connection that was reset. Bytes that are not HTTP
 * are a broken answer.
 */
export function outcomeOfError(error: Error, hasAnswer: boolean): Outcome {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'gateway_error';
  return hasAnswer || code.startsWith('HPE_') ? 'broken_stream' : 'connect_failed';
}
