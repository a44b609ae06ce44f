import { isRejection, meaningOf } from '../outcome.ts';
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
  | { readonly step: 'elsewhere'; readonly why: 'serverless_may_answer' | 'endpoint_rejected' };

/**
 * Judges what may follow an attempt. A call is repeated at the same upstream only if the upstream did not take it,
 * because each call that it took is billed. A call of the endpoint may go to serverless once, as long as the client got
 * no byte. If the endpoint rejected the call, its answer is kept: the client gets it unless serverless has a better one.
 * Whether there is time and allowance for a repeat is not judged here.
 */
export function judgeNext({ upstream, outcome, status, hasReachedClient, isBodyGone }: EndedAttempt): Next {
  if (hasReachedClient) return { step: 'give', why: 'has_reached_client' };
  if (isBodyGone) return { step: 'give', why: 'body_is_gone' };
  const { fallsBack, repeatable, health } = meaningOf(outcome);
  if (upstream === 'dedicated') {
    if (isRejection(status)) return { step: 'elsewhere', why: 'endpoint_rejected' };
    return fallsBack
      ? { step: 'elsewhere', why: 'serverless_may_answer' }
      : { step: 'give', why: 'would_end_the_same' };
  }
  const isFromProxy = status === 502 || status === 504;
  if (repeatable === 'yes' || (repeatable === 'if_proxy' && isFromProxy))
    return { step: 'again', why: 'was_not_taken' };
  return { step: 'give', why: health === 'fault' ? 'was_taken' : 'would_end_the_same' };
}

/** What an endpoint's rejection was, once serverless has got the same call. */
export interface Settled {
  /** The outcome of the endpoint's attempt. `client_error` blames nobody but the caller, and is not compared. */
  readonly outcome: Extract<Outcome, 'rejected_by_endpoint' | 'client_error'>;
  /** Whose answer the client gets. */
  readonly answer: UpstreamKind;
}

/**
 * Whose mistake a call was that an endpoint rejected: the endpoint's if serverless answers it, the caller's if
 * serverless rejects it too. If serverless has no place for it or fails, nothing is shown, and the client gets the
 * endpoint's own answer. `outcome`: that of serverless's attempt.
 */
export function settleRejection(outcome: Outcome): Settled {
  if (outcome === 'ok') return { outcome: 'rejected_by_endpoint', answer: 'serverless' };
  return {
    outcome: 'client_error',
    answer: outcome === 'client_error' || outcome === 'not_found' ? 'serverless' : 'dedicated',
  };
}
