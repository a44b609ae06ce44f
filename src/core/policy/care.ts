/** How calls are retried. */
export interface RetryPolicy {
  /** Attempts after the first, at most. */
  readonly most: number;
  /** Clock ms: the longest first pause, and the longest pause of all. */
  readonly base: number;
  readonly cap: number;
  /** Retries at most, as a share of the calls of a window, 0..1. */
  readonly share: number;
}

/** How calls for embeddings are sent together. */
export interface BatchPolicy {
  /** How long the first call waits for others, clock ms. */
  readonly wait: number;
  /** Texts in one request, at most; if 1, each call is sent alone. */
  readonly most: number;
}

/** How calls to serverless are paced, retried and queued. Spans in clock ms, shares 0..1. */
export interface CarePolicy {
  readonly retries: RetryPolicy;
  /** The last attempt of a call starts no later than this after its arrival; a client may ask for less. */
  readonly maxWait: number;
  /** Calls that may wait for a permit at once. */
  readonly queue: number;
  /**
   * After a start, the time in which the pace rises from a tenth of a known limit to all of it. After an outage, the time
   * after which all calls go, however few were answered.
   */
  readonly ramp: number;
  readonly breaker: BreakerPolicy;
  /** Providers that may take the calls that serverless refuses or cannot take now, in this order. */
  readonly providers: readonly string[];
  readonly batch: BatchPolicy;
}

/** When a breaker opens, and how it tries again. */
export interface BreakerPolicy {
  /** Faults in a row. */
  readonly faults: number;
  /** The longest pause before a probe, clock ms. The first is half a second, and each later one twice as long. */
  readonly cooldown: number;
  /** Calls that may test at once whether the upstream answers again. */
  readonly probes: number;
}

/** Suffixes of a model's name that are no provider: the ways in which the router chooses one. */
export const ROUTER_CHOICES: ReadonlySet<string> = new Set(['fastest', 'cheapest', 'preferred', 'auto']);
