import type { BreakerPolicy } from './breaker.ts';
import type { RetryPolicy } from './retry.ts';

/** How calls for embeddings are sent together. */
export interface BatchPolicy {
  /** How long the first one waits for others, clock ms. */
  readonly wait: number;
  /** Texts in one request, at most; with 1 each call goes by itself. */
  readonly most: number;
}

/** How calls to serverless are cared for. Spans in clock ms, shares 0..1. */
export interface CarePolicy {
  readonly retries: RetryPolicy;
  /** How long a call may take in all until its last attempt sets out; a client may ask for less. */
  readonly maxWait: number;
  /** Calls that may wait for a place at once. */
  readonly queue: number;
  /** How long the way from a tenth of a known limit to all of it takes, after a start or an outage. */
  readonly ramp: number;
  readonly breaker: BreakerPolicy;
  /** Providers that may take what serverless refuses or has no place for, in this order. */
  readonly providers: readonly string[];
  readonly batch: BatchPolicy;
}
