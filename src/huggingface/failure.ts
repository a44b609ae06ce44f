import { AppError } from '../core/errors.ts';
import { certificateRemedy } from '../core/wire/certificates.ts';
import { errorText } from '../core/wire/error-text.ts';

/**
 * A Hugging Face service's error text, as one line without secrets: `error` or `message` of a JSON body (`{"error":
 * "..."}`, `{"error": {"message": "..."}}`, `{"message": "..."}`), otherwise the text itself.
 */
export function saidIn(body: unknown): string {
  const text = errorText(body) ?? JSON.stringify(body) ?? '';
  const line = withoutSecrets(text).replaceAll(/\s+/g, ' ').trim();
  return line.length <= 300 ? line : `${line.slice(0, 297)}...`;
}

/** Replaces everything that looks like a token. */
function withoutSecrets(text: string): string {
  return text.replaceAll(/\b(?:hf|api_org)_[A-Za-z0-9]{3,}/g, 'hf_***').replaceAll(/Bearer\s+\S+/gi, 'Bearer ***');
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

/**
 * The error for a request that got no answer: AppError `timeout` or `unavailable`. If the caller's own signal ended the
 * request, its reason is returned unchanged.
 */
export function noAnswer(action: string, where: string, cause: unknown, signal?: AbortSignal): unknown {
  if (cause instanceof AppError) return cause;
  if (signal?.aborted === true) return signal.reason;
  const code = codeOf(cause);
  const hint = certificateRemedy(code) ?? `check that ${where} can be reached from here; upshift tries again`;
  if (TIMEOUTS.has(code) || (cause instanceof Error && cause.name === 'TimeoutError')) {
    return new AppError('timeout', `${action}: no answer from ${where} in time`, { hint, cause });
  }
  return new AppError('unavailable', `${action}: ${where} cannot be reached${code === '' ? '' : ` (${code})`}`, {
    hint,
    cause,
  });
}

const WHY: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve',
  ECONNREFUSED: 'it refuses the connection',
  ECONNRESET: 'it closes the connection',
  UND_ERR_SOCKET: 'it closes the connection',
};

/** Why a host gave no answer, for people, after `it`. */
export function whyNoAnswer(error: unknown): string {
  const code = codeOf(error);
  if (TIMEOUTS.has(code) || (error instanceof Error && error.name === 'TimeoutError'))
    return 'it is silent for too long';
  return `${WHY[code] ?? 'it cannot be reached'}${code === '' ? '' : ` (${code})`}`;
}

/** The code of a network error. `fetch` keeps it in the cause; a connection to several addresses keeps it in a list. */
export function codeOf(error: unknown): string {
  let current: unknown = error;
  for (let depth = 0; depth < 4 && typeof current === 'object' && current !== null; depth++) {
    const { code, cause, errors } = current as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === 'string') return code;
    current = cause ?? (Array.isArray(errors) ? (errors as unknown[])[0] : undefined);
  }
  return '';
}
