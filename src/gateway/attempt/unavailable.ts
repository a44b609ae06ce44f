import type { IncomingHttpHeaders } from 'node:http';
import { DAY_MS } from '../../core/time.ts';
import { pauseOf } from '../care/retry-after.ts';
import { isPlain } from '../request/headers.ts';
import { UPSTREAM_UNAVAILABLE } from '../request/reply.ts';
import type { Reply } from '../request/reply.ts';

const LONGEST_MESSAGE = 2_000;
const LONGEST_TYPE = 100;
const LONGEST_PAUSE_MS = 30 * DAY_MS;

/** What an upstream says of an error. */
interface Said {
  readonly message: string | null;
  readonly type: string | null;
  /** Seconds until it may work. */
  readonly estimatedS: number | null;
}

const NOTHING: Said = { message: null, type: null, estimatedS: null };

/**
 * The answer to a call whose upstream answered 503: a 502 with what the upstream says, its message, its type and when to
 * ask again. It understands the errors of OpenAI's API, of TGI, and of a model that is being loaded.
 */
export function unavailableReply(headers: IncomingHttpHeaders, body: Buffer): Reply {
  const { message, type, estimatedS } = isPlain(headers) ? said(body) : NOTHING;
  const askedMs = pauseOf(headers) ?? (estimatedS === null ? null : estimatedS * 1_000);
  return {
    ...UPSTREAM_UNAVAILABLE,
    ...(message !== null && { message }),
    ...(type !== null && { type }),
    ...(askedMs !== null && {
      headers: ['retry-after', String(Math.ceil(Math.min(askedMs, LONGEST_PAUSE_MS) / 1_000))],
    }),
  };
}

function said(body: Buffer): Said {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return NOTHING;
  }
  if (!isObject(value)) return NOTHING;
  const { error, message, error_type: type, estimated_time: estimated } = value;
  const estimatedS = typeof estimated === 'number' && estimated >= 0 ? estimated : null;
  const inner = isObject(error) ? error : { message: error ?? message, type };
  return {
    message: textOf(inner['message'], LONGEST_MESSAGE),
    type: textOf(inner['type'], LONGEST_TYPE),
    estimatedS,
  };
}

function textOf(value: unknown, longest: number): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, longest) : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
