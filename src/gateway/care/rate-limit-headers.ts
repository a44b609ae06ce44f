import { parseList } from 'structured-headers';
import type { List } from 'structured-headers';
import type { AnswerHeaders } from '../request/headers.ts';

/** What an upstream says of a quota. */
export interface Quota {
  /** Calls that may still be made before the quota is reset, 0... */
  readonly left: number;
  /** ms until the quota is reset, 0... */
  readonly resetMs: number;
}

/**
 * The quota in a `RateLimit` header, `"api";r=489;t=189` (IETF draft-ietf-httpapi-ratelimit-headers). If it has
 * several, the one with the fewest calls left. Null if there is none that can be read.
 */
export function readQuota(headers: AnswerHeaders): Quota | null {
  let least: Quota | null = null;
  for (const [, parameters] of listOf(headers['ratelimit'])) {
    const left = countOf(parameters.get('r'));
    const resetS = countOf(parameters.get('t'));
    if (left === null || resetS === null || (least !== null && least.left <= left)) continue;
    least = { left, resetMs: resetS * 1_000 };
  }
  return least;
}

/**
 * Calls per second that a `RateLimit-Policy` header allows, `"burst";q=100;w=10, "api";q=2000;w=300`: the least of its
 * quotas over their windows. Null if there is none that can be read.
 */
export function readAllowedRate(headers: AnswerHeaders): number | null {
  let least: number | null = null;
  for (const [, parameters] of listOf(headers['ratelimit-policy'])) {
    const quota = countOf(parameters.get('q'));
    const windowS = countOf(parameters.get('w'));
    if (quota === null || windowS === null || quota === 0 || windowS === 0) continue;
    least = Math.min(least ?? Number.POSITIVE_INFINITY, quota / windowS);
  }
  return least;
}

/** A longer header is ignored, because reading it takes long and is work on the path of a call. */
const LONGEST_HEADER = 1_024;

/** A quoted string, and quoted strings behind it where only parameters may be. */
const REPEATED_NAME = /("(?:[^"\\]|\\.)*")(?:\s*;\s*"(?:[^"\\]|\\.)*")*/g;

function listOf(header: string | string[] | undefined): List {
  if (header === undefined) return [];
  const text = typeof header === 'string' ? header : header.join(', ');
  if (text.length > LONGEST_HEADER) return [];
  // The Hub sends `"fixed window";"api";q=500;w=300`, which is not a list of structured fields (RFC 9651). In such a list
  // no quoted string follows a semicolon, so that removing it changes no valid header.
  return parse(text.replaceAll(REPEATED_NAME, '$1')) ?? [];
}

function parse(text: string): List | null {
  try {
    return parseList(text);
  } catch {
    return null;
  }
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null;
}
