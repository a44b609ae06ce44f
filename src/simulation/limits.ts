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

/** The figures of the simulation; all times in clock milliseconds. */
export interface Limits {
  /** Calls of one model that each provider takes in one fixed window; the rest are refused with 429. */
  readonly routerCalls: number;
  readonly routerWindowMs: number;
  /** What its 429 asks for in `Retry-After`; null where it says nothing, as most providers do. */
  readonly routerRetryAfterSeconds: number | null;
  /** Calls that the router handles at once; beyond them it answers 503. */
  readonly routerInFlight: number;
  /** Calls that slow the router to twice its usual times. */
  readonly routerComfort: number;
  readonly routerSpeed: Speed;
  /** An endpoint's times are the router's times this factor. */
  readonly endpointFactor: number;
  /** Calls that one replica works on at once; beyond them calls wait in a queue. */
  readonly replicaCalls: number;
  readonly pendingMs: number;
  readonly initializingMs: number;
  /** How long after `running` the engine has its weights. */
  readonly healthLagMs: number;
  /** From scaled to zero to running. */
  readonly wakeMs: number;
  /** How long a change of a running endpoint takes it off the air. */
  readonly updateMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  routerCalls: 1700,
  routerWindowMs: 300_000,
  routerRetryAfterSeconds: null,
  routerInFlight: 800,
  routerComfort: 400,
  // A slow provider: at 60 times real time a first token after half a second would be there in eight milliseconds, and what
  // a busy machine adds to them would be taken for the provider's own unrest.
  routerSpeed: { baseMs: 2_000, perPromptTokenMs: 0.45, perOutputTokenMs: 36, sigma: 0.25 },
  endpointFactor: 0.7,
  replicaCalls: 128,
  pendingMs: 20_000,
  initializingMs: 100_000,
  healthLagMs: 15_000,
  wakeMs: 42_000,
  updateMs: 50_000,
};

/**
 * Takes every token that starts with `hf_` and does not contain `bad`. A token that contains `norouter`, `nomanage`,
 * `nocall` or `nopay` lacks that right: this is how a test plays a token of too narrow a scope.
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
