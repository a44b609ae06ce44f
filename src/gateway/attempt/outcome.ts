import type { Outcome } from '../../core/call.ts';

const FALLS_BACK: ReadonlySet<Outcome> = new Set([
  'connect_failed',
  'first_byte_timeout',
  'rate_limited',
  'server_error',
  'unavailable',
  'unauthorized',
  'not_found',
  'paused',
  'broken_stream',
  'idle_timeout',
]);

/** Whether a call that an endpoint failed like this may be sent to serverless instead, while no byte has gone out. */
export function mayFallBack(outcome: Outcome): boolean {
  return FALLS_BACK.has(outcome);
}

/** What an HTTP status says about an attempt. */
export function outcomeOfStatus(status: number): Outcome {
  if (status < 400) return 'ok';
  if (status >= 500) return status === 503 ? 'unavailable' : 'server_error';
  if (status === 429) return 'rate_limited';
  if (status === 402) return 'no_credits';
  if (status === 401 || status === 403) return 'unauthorized';
  return status === 404 || status === 410 ? 'not_found' : 'client_error';
}

/** Whether the body of a 400 from an endpoint says that it is paused. */
export function tellsPaused(body: string): boolean {
  return /paused/i.test(body);
}

/**
 * What a dispatcher's error says (undici 8: docs/docs/api/Errors.md). What failed before the answer began is the
 * connection's fault, also where a reused connection was reset; bytes that are no HTTP are a broken answer.
 */
export function outcomeOfError(error: Error, hasAnswer: boolean): Outcome {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'gateway_error';
  return hasAnswer || code.startsWith('HPE_') ? 'broken_stream' : 'connect_failed';
}
