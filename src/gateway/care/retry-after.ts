import { readQuota } from './rate-limit-headers.ts';
import { headerOf } from '../request/headers.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/**
 * How long an answer asks the client to wait, ms: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); without it,
 * the time until a used-up quota in `RateLimit` is reset. Null if neither can be read.
 */
export function pauseOf(headers: AnswerHeaders): number | null {
  const retryAfter = headerOf(headers, 'retry-after')?.trim() ?? '';
  if (retryAfter !== '') {
    const seconds = Number(retryAfter);
    if (Number.isFinite(seconds)) return seconds < 0 ? null : seconds * 1_000;
    const atMs = Date.parse(retryAfter);
    if (!Number.isNaN(atMs)) return Math.max(0, atMs - Date.now());
  }
  const quota = readQuota(headers);
  return quota === null || quota.left > 0 ? null : quota.resetMs;
}
