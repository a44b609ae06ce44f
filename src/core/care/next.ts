import { meaningOf } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { UpstreamKind } from '../route.ts';

/** An attempt that did not end well, or whose answer has an error status. */
export interface EndedAttempt {
  readonly upstream: UpstreamKind;
  readonly outcome: Outcome;
  /** HTTP status, 0 if none came. */
  readonly status: number;
  /** Whether a byte of the answer has reached the client. */
  readonly hasReachedClient: boolean;
  /** Whether the call's body was not kept: it cannot be sent again. */
  readonly isBodyGone: boolean;
}

/** What follows an attempt, and why. */
export type Next =
  /** The client gets the answer, or an error if there is none. */
  | { readonly step: 'give'; readonly why: 'has_reached_client' | 'body_is_gone' | 'was_taken' | 'would_end_the_same' }
  /** The same upstream may get the call again. */
  | { readonly step: 'again'; readonly why: 'was_not_taken' }
  /** Serverless gets the call in the endpoint's place. */
  | { readonly step: 'elsewhere'; readonly why: 'serverless_may_answer' };

/**
 * Judges what may follow an attempt. A call is repeated at the same upstream only if the upstream did not take it,
 * because each call that it took is billed. A call of the endpoint may go to serverless once, as long as the client got
 * no byte. Whether there is time and allowance for a repeat is not judged here.
 */
export function judgeNext({ upstream, outcome, status, hasReachedClient, isBodyGone }: EndedAttempt): Next {
  if (hasReachedClient) return { step: 'give', why: 'has_reached_client' };
  if (isBodyGone) return { step: 'give', why: 'body_is_gone' };
  const { fallsBack, repeatable, health } = meaningOf(outcome);
  if (upstream === 'dedicated') {
    return fallsBack
      ? { step: 'elsewhere', why: 'serverless_may_answer' }
      : { step: 'give', why: 'would_end_the_same' };
  }
  const isFromProxy = status === 502 || status === 504;
  if (repeatable === 'yes' || (repeatable === 'if_proxy' && isFromProxy))
    return { step: 'again', why: 'was_not_taken' };
  return { step: 'give', why: health === 'fault' ? 'was_taken' : 'would_end_the_same' };
}
