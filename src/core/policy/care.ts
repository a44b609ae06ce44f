/** How calls are tried again. */
export interface RetryPolicy {
  /** Attempts after the first, at most. */
  readonly most: number;
  /** Clock ms: the longest first pause, and the longest of all. */
  readonly base: number;
  readonly cap: number;
  /** Share of the calls of a window, 0..1. */
  readonly share: number;
}

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

/** When a breaker opens, and for how long. */
export interface BreakerPolicy {
  /** Faults in a row. */
  readonly faults: number;
  /** Clock ms. */
  readonly cooldown: number;
  /** Calls that may try at once whether the upstream is back. */
  readonly probes: number;
}

/** What may stand behind a model's name and is no provider: the router's ways to choose one. */
export const ROUTER_CHOICES: ReadonlySet<string> = new Set(['fastest', 'cheapest', 'preferred', 'auto']);
