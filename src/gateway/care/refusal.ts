import type { Outcome } from '../../core/outcome.ts';
import type { Reply } from '../request/reply.ts';

const REFUSED = {
  over_limit: 'Serverless accepts no more calls at the moment, and this call would wait longer than it may.',
  queue_full: 'Too many calls are already waiting to be sent to serverless.',
  endpoint_full: 'Neither the endpoint nor serverless has room for this call at the moment.',
  circuit_open:
    'Serverless has failed several times in a row. upshift checks from time to time whether it works again.',
} as const;

/** The answer to a call that is not sent because of a limit: a 429, because clients then pause as long as it says. */
export function refusalReply({ kind, retryAfterMs }: Refusal): Reply {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return {
    status: 429,
    code: kind,
    message: `${REFUSED[kind]} Try again in ${seconds} s.`,
    headers: ['retry-after', String(seconds)],
  };
}

/** How a call ends that is refused so. An outage of serverless is no limit of it. */
export function outcomeOfRefusal({ kind }: Refusal): Outcome {
  return kind === 'circuit_open' ? 'circuit_open' : 'rate_limited';
}

/** Why a call is not sent, and after how many clock ms it may be worth sending it again. */
export interface Refusal {
  readonly kind: 'over_limit' | 'queue_full' | 'endpoint_full' | 'circuit_open';
  readonly retryAfterMs: number;
}
