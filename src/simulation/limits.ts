import type { Speed } from './answer/generate.ts';

/** Who a token belongs to and what it may do. */
export interface TokenOwner {
  /** The user's name, which is also a namespace. */
  readonly name: string;
  readonly orgs: readonly string[];
  readonly canPay: boolean;
  /** `inference.serverless.write`. */
  readonly mayCallRouter: boolean;
  /** `inference.endpoints.write`. */
  readonly mayManage: boolean;
  /** `inference.endpoints.infer.write`. */
  readonly mayCallEndpoints: boolean;
}

/**
 * What an endpoint does with a call for which it has no place. `queue`: the call waits. `refuse429` and `refuse503`: it
 * is refused in the words of the engine. `slow`: it is taken, and every call takes longer.
 */
export const WHEN_FULL = ['queue', 'refuse429', 'refuse503', 'slow'] as const;
export type WhenFull = (typeof WHEN_FULL)[number];

/** The figures of the simulation; all times in clock milliseconds. */
export interface Limits {
  /** Calls of one model that each provider takes in one fixed window; the rest are refused with 429. */
  readonly routerCalls: number;
  readonly routerWindowMs: number;
  /** The value of `Retry-After` in a 429; null: the header is missing, as with most providers. */
  readonly routerRetryAfterSeconds: number | null;
  /** Calls that the router handles at once; it answers further calls with 503. */
  readonly routerInFlight: number;
  /** Calls at once that slow the router to twice its usual times. */
  readonly routerComfort: number;
  readonly routerSpeed: Speed;
  /** Factor on the router's times that gives an endpoint's times. */
  readonly endpointFactor: number;
  /** Calls that one replica works on at once. */
  readonly replicaCalls: number;
  /** What an endpoint does with further calls. */
  readonly whenFull: WhenFull;
  /** The value of `Retry-After` in the refusal of an endpoint that is full; null: the header is missing. */
  readonly fullRetryAfterSeconds: number | null;
  readonly pendingMs: number;
  readonly initializingMs: number;
  /** Time from `running` until the engine has loaded its weights. */
  readonly healthLagMs: number;
  /** Time from scaled to zero to running. */
  readonly wakeMs: number;
  /** Time for which a change takes a running endpoint off the air. */
  readonly updateMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  routerCalls: 1700,
  routerWindowMs: 300_000,
  routerRetryAfterSeconds: null,
  routerInFlight: 800,
  routerComfort: 400,
  // The provider is slow on purpose. At 60 times real time, a first token after half a second arrives after eight real
  // milliseconds. Delays of a busy machine would then look like fluctuations of the provider.
  routerSpeed: { baseMs: 2_000, perPromptTokenMs: 0.45, perOutputTokenMs: 36, sigma: 0.25 },
  endpointFactor: 0.7,
  replicaCalls: 128,
  whenFull: 'queue',
  fullRetryAfterSeconds: null,
  pendingMs: 20_000,
  initializingMs: 100_000,
  healthLagMs: 15_000,
  wakeMs: 42_000,
  updateMs: 50_000,
};

/**
 * Accepts every token that starts with `hf_` and does not contain `bad`. A token that contains `norouter`, `nomanage`,
 * `nocall` or `nopay` lacks that right, so that a test can use a token whose scope is too narrow.
 */
export function defaultOwner(token: string | undefined): TokenOwner | undefined {
  if (!token?.startsWith('hf_') || token.includes('bad')) return undefined;
  return {
    name: 'acme',
    orgs: ['acme-labs'],
    canPay: !token.includes('nopay'),
    mayCallRouter: !token.includes('norouter'),
    mayManage: !token.includes('nomanage'),
    mayCallEndpoints: !token.includes('nocall'),
  };
}
