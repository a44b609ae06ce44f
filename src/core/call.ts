import { upstreamOf } from './route.ts';
import type { CallShape, Role, Toward, UpstreamKind } from './route.ts';

/** How an attempt (or a call's first attempt) ended. The position is the number stored in the ledger: append only. */
export const OUTCOMES = [
  'ok',
  'rate_limited', // 429
  'no_credits', // 402
  'client_error', // any other 4xx that is the caller's own doing
  'unauthorized', // 401, 403
  'not_found', // 404, 410
  'paused', // 400 of an endpoint that is paused
  'server_error', // 5xx other than 503
  'unavailable', // 503
  'connect_failed', // refused, reset before a response, name not found, connect timeout
  'first_byte_timeout',
  'idle_timeout', // silent between two chunks
  'broken_stream', // ended before its message was complete
  'client_left', // the client went away before the outcome was known
  'cut', // the gateway's own shutdown cut it
  'gateway_error', // the gateway answered by itself: bad request, unknown path, too large
  'total_timeout', // went on for longer than any answer may take
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Number of the only gateway that there is today; the ledger knows it by the same number. */
export const GATEWAY_ID = 1;

/** Which call it is: the two together are unique in a ledger. */
export interface CallKey {
  /** Number of the gateway that took the call. */
  readonly gatewayId: number;
  /** When the call arrived there, epoch microseconds: also what assigns it to a role. */
  readonly arrivedAtUs: number;
}

/** One try at one upstream. */
export interface AttemptRecord {
  readonly upstream: UpstreamKind;
  /** Clock microseconds from the call's arrival to the start of this try. */
  readonly startedAfterUs: number;
  /** HTTP status, 0 where none came. */
  readonly status: number;
  readonly outcome: Outcome;
  /** Clock microseconds from the start of this try to the first byte of its answer; null where none came. */
  readonly firstByteUs: number | null;
  readonly durationUs: number;
}

/**
 * Clock microseconds from a call's arrival until it was known how an attempt had ended: an error status tells it with the
 * first byte, anything else only the end does.
 */
export function knownAfterUs({
  startedAfterUs,
  status,
  firstByteUs,
  durationUs,
}: Pick<AttemptRecord, 'startedAfterUs' | 'status' | 'firstByteUs' | 'durationUs'>): number {
  return startedAfterUs + (status >= 400 && firstByteUs !== null ? firstByteUs : durationUs);
}

/** What one finished call leaves behind. All times in clock microseconds. Never holds prompt, completion or token. */
export interface Call extends CallKey {
  readonly durationUs: number;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  /** Whether the agent's id was derived from token and user agent instead of being sent. */
  readonly isAgentDerived: boolean;
  /** The rollout whose weights were in force; null where none was. */
  readonly rolloutId: string | null;
  readonly step: number;
  /** The canary's weight at the time of assignment, 0..1. */
  readonly weight: number;
  /** The role the call was assigned to, whoever served it; null where there was nothing to assign. */
  readonly role: Role | null;
  /** Whether the call's shape could have been split; ineligible calls take no part in weights and verdicts. */
  readonly isEligible: boolean;
  /** The upstream whose answer the client got; null where the gateway answered by itself. */
  readonly servedBy: UpstreamKind | null;
  /** Who served it behind serverless's router, where that is known. */
  readonly provider?: string | null;
  /** The status the client saw; 0 where it left or was cut before one. */
  readonly status: number;
  /** How the assigned (first) attempt ended: what counts for the role. */
  readonly outcome: Outcome;
  /** How the call ended for the client. */
  readonly finalOutcome: Outcome;
  readonly hasClientLeft: boolean;
  /** Whether it went out without any credentials. */
  readonly hasNoToken: boolean;
  /** From arrival to the first byte sent to the client. */
  readonly firstByteUs: number | null;
  /** ... and to the first token; null where the answer is no stream, whose bytes all come at its end. */
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** `arrivedAtUs` of the refused call of the same gateway that this one repeats: it counts once as demand. */
  readonly repeatOfUs: number | null;
  /** Whether a copy of it was sent to the endpoint. */
  readonly hasShadow: boolean;
  /** How long it was held here before its first attempt, so that a limit is kept; 0 where it was not. */
  readonly waitedUs: number;
  /** Whether it went past the gateway, straight to serverless, and was reported later. */
  readonly isBypass?: boolean;
  /** Whether its role is one of a way back, in which serverless is the canary. */
  readonly isWayBack?: boolean;
  readonly attempts: readonly AttemptRecord[];
}

/**
 * What the copy of a call came to that was sent to the endpoint in the shadow stage; its answer was read and thrown away.
 * Its key is that of the live call.
 * Times in clock microseconds from the live call's arrival, as if the copy had set out at the same moment as the call.
 */
export interface Shadow extends CallKey {
  readonly rolloutId: string;
  /** HTTP status, 0 where none came. */
  readonly status: number;
  /** `cut` where our own shutdown ended it, or where it was still streaming after the longest time that a copy may take. */
  readonly outcome: Outcome;
  /** Until the outcome was known. */
  readonly knownAfterUs: number;
  readonly firstByteUs: number | null;
  readonly firstTokenUs: number | null;
  readonly durationUs: number;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
}

const FAULTS: ReadonlySet<Outcome> = new Set([
  'unauthorized',
  'not_found',
  'paused',
  'server_error',
  'unavailable',
  'connect_failed',
  'first_byte_timeout',
  'idle_timeout',
  'broken_stream',
  'total_timeout',
]);

/**
 * Whether an outcome counts against an upstream in a rollout `toward` a kind. A 429 is a fault of the endpoint (it is its
 * capacity). Of serverless it is the illness that is treated while traffic leaves it, and no fault; on the way back it
 * is what must not happen again, and one. A 401, 403 or 404 is the caller's affair on serverless but ours on our own
 * endpoint.
 */
export function isFault(outcome: Outcome, upstream: UpstreamKind, toward: Toward): boolean {
  if (outcome === 'rate_limited') return upstream === 'dedicated' || toward === 'serverless';
  return FAULTS.has(outcome) && (upstream === 'dedicated' || (outcome !== 'unauthorized' && outcome !== 'not_found'));
}

/**
 * Whether a call was decided, i.e. may be compared: it got an answer or a fault. What the client or our own shutdown cut
 * off says nothing about the upstream, and neither does a request that was wrong in itself.
 */
export function isDecided(outcome: Outcome, upstream: UpstreamKind, toward: Toward): boolean {
  return outcome === 'ok' || isFault(outcome, upstream, toward);
}

/**
 * Where finished calls go. `release` is called exactly once: when the row is durable, or when the ledger's patience is
 * over. Only then may the end of the response go out to the client.
 */
export interface Recorder {
  record(call: Call, release: () => void): void;
  /** Nobody waits for it: it gives way to calls where there is no room. */
  recordShadow(shadow: Shadow): void;
  /** Whether answers go out before their rows are durable. */
  readonly isDegraded: boolean;
}

/** What is known of a call when it has been assigned to a role. */
export interface Arrival extends CallKey {
  /** When its request was read and its role assigned, epoch µs. */
  readonly assignedAtUs: number;
  /** How long it was then held, so that a limit is kept, until its first attempt began or it ended without one; clock µs. */
  readonly waitedUs: number;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  readonly rolloutId: string | null;
  readonly step: number;
  /** The canary's weight, 0..1; 0 where there is none. */
  readonly weight: number;
  readonly role: Role | null;
  readonly isEligible: boolean;
  readonly hasNoToken: boolean;
  /** Whether it repeats a refused call that already counts as demand. */
  readonly isRepeat: boolean;
  /** Whether its role is one of a way back, in which serverless is the canary. */
  readonly isWayBack?: boolean;
}

/** Which upstream a call was assigned to, whoever served it; serverless where there was nothing to assign. */
export function assignedTo({ role, isWayBack }: Pick<Arrival, 'role' | 'isWayBack'>): UpstreamKind {
  return role === null ? 'serverless' : upstreamOf(role, isWayBack === true ? 'serverless' : 'dedicated');
}

/** A call that was held for longer than this counts as one that serverless could not take. */
export const DELAYED_US = 1_000_000;

/** Who watches the gateway's calls as they happen. Called on the path of a call: must be quick and must not throw. */
export interface CallObserver {
  arrived(arrival: Arrival): void;
  /** Its first attempt sets out: at once, or once the upstream's limit has a place for it. Or it ends without one. */
  sent(arrival: Arrival): void;
  /**
   * The first attempt's outcome is known and is not `ok`, or the gateway refused the call because of a limit, without an
   * attempt; the call may still be served by a retry or a fall-back. `knownAfterUs`: as
   * the function of this name says it of the attempt in the call's row, to the microsecond.
   */
  failed(arrival: Arrival, outcome: Outcome, upstream: UpstreamKind, knownAfterUs: number): void;
  ended(call: Call): void;
  /** The copy of a call has ended, before or after the call itself. */
  shadowed(arrival: Arrival, shadow: Shadow): void;
}
