import type { Reply } from '../request/reply.ts';

const REFUSED = {
  over_limit: 'Serverless takes no more calls just now, and waiting for a place would take longer than this call may.',
  queue_full: 'Too many calls are waiting for a place at serverless.',
  circuit_open: 'Serverless has failed several times in a row; it is tried again now and then.',
} as const;

/** A call that is not sent because of a limit: 429, so that clients pause as long as is said. */
export function refusedHere({ kind, retryAfterMs }: Refusal): Reply {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return {
    status: 429,
    code: kind,
    message: `${REFUSED[kind]} Try again in ${seconds} s.`,
    headers: ['retry-after', String(seconds)],
  };
}

/** Why a call is not sent, and when it would be worth asking again. */
export interface Refusal {
  readonly kind: 'over_limit' | 'queue_full' | 'circuit_open';
  readonly retryAfterMs: number;
}
