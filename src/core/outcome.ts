import type { Toward, UpstreamKind } from './route.ts';

/** What an outcome of an attempt means, to everybody who asks. */
interface Meaning {
  /**
   * Whose doing it was. `endpoint`: a fault of our own endpoint, but the caller's mistake on serverless. `limit`: the
   * upstream takes no more calls now. `nobody`: it shows nothing about an upstream or the caller.
   */
  readonly by: 'nobody' | 'caller' | 'upstream' | 'endpoint' | 'limit';
  /** Whether serverless gets the call if an attempt at an endpoint ended like this and the client got no byte yet. */
  readonly fallsBack: boolean;
  /**
   * Whether serverless may get the same call again: only if it did not take the call. `if_proxy`: if a proxy before it
   * says so, by 502 or 504.
   */
  readonly repeatable: 'yes' | 'if_proxy' | 'no';
  /** What it shows about the upstream's health; null: nothing. A refusal or a caller's mistake shows that it answers. */
  readonly health: 'fault' | 'well' | null;
  /** Whether the upstream had no room for the call. */
  readonly isTurnedAway: boolean;
  /** Whether a provider answers like this if it does not serve the model, the token or this kind of call. */
  readonly isUnable: boolean;
}

const FAULT = { by: 'upstream', fallsBack: true, repeatable: 'no', health: 'fault' } as const;
const HAS_ROOM = { isTurnedAway: false, isUnable: false } as const;
const NOTHING = { by: 'nobody', fallsBack: false, repeatable: 'no', health: null, ...HAS_ROOM } as const;

/**
 * How an attempt (or a call's first attempt) can end, and what that means. The position of a row is the number stored
 * in the ledger: append only.
 */
const MEANINGS = {
  ok: { ...NOTHING, health: 'well' },
  /** 429. Of an endpoint: while it answers no other call; else `saturated`. */
  rate_limited: {
    by: 'limit',
    fallsBack: true,
    repeatable: 'yes',
    health: 'well',
    isTurnedAway: true,
    isUnable: false,
  },
  /** 402. */
  no_credits: { by: 'caller', fallsBack: false, repeatable: 'no', health: 'well', ...HAS_ROOM },
  /** Any other 4xx that the caller caused. */
  client_error: {
    by: 'caller',
    fallsBack: false,
    repeatable: 'no',
    health: 'well',
    isTurnedAway: false,
    isUnable: true,
  },
  /** 401, 403. */
  unauthorized: {
    by: 'endpoint',
    fallsBack: true,
    repeatable: 'no',
    health: 'well',
    isTurnedAway: false,
    isUnable: true,
  },
  /** 404, 410. */
  not_found: {
    by: 'endpoint',
    fallsBack: true,
    repeatable: 'no',
    health: 'well',
    isTurnedAway: false,
    isUnable: true,
  },
  /** 400 from a paused endpoint. */
  paused: { by: 'endpoint', fallsBack: true, repeatable: 'no', health: null, ...HAS_ROOM },
  /** 5xx other than 503, or an error inside an answer that began with a 2xx. */
  server_error: { ...FAULT, ...HAS_ROOM, repeatable: 'if_proxy' },
  /** 503. */
  unavailable: { ...FAULT, repeatable: 'yes', isTurnedAway: true, isUnable: false },
  /** Refused, reset before a byte of an answer, name not found, connect timeout. */
  connect_failed: { ...FAULT, ...HAS_ROOM, repeatable: 'yes' },
  first_byte_timeout: { ...FAULT, isTurnedAway: true, isUnable: false },
  /** Silent between two chunks. */
  idle_timeout: { ...FAULT, ...HAS_ROOM },
  /** Ended before its message was complete, or was no HTTP. */
  broken_stream: { ...FAULT, ...HAS_ROOM },
  /** The client left before the outcome was known. */
  client_left: NOTHING,
  /** Ended by the gateway's own shutdown. */
  cut: NOTHING,
  /** The gateway itself answered with an error: bad request, unknown path, too large. */
  gateway_error: NOTHING,
  /** Longer than any answer may take. */
  total_timeout: { ...FAULT, ...HAS_ROOM, fallsBack: false },
  /** A 2xx whose message is whole but whose answer is not: its stream has no finish reason, or its JSON is cut off. */
  incomplete_answer: { ...FAULT, ...HAS_ROOM },
  /** A 2xx with neither any output nor a finish reason. */
  empty_answer: { ...FAULT, ...HAS_ROOM },
  /** The endpoint rejected a call that serverless then answered. */
  rejected_by_endpoint: { by: 'endpoint', fallsBack: true, repeatable: 'no', health: 'well', ...HAS_ROOM },
  /** This machine could not send the call: no file descriptor, no local port, no memory. */
  local_error: { ...NOTHING, fallsBack: true, repeatable: 'yes' },
  /** The gateway did not send the call, because serverless has failed repeatedly. That is no demand beyond a limit. */
  circuit_open: { by: 'limit', fallsBack: false, repeatable: 'no', health: null, isTurnedAway: true, isUnable: false },
  /**
   * The endpoint had no room for the call, although it answers others. It is well, and nothing is shown about the quality
   * of its answers.
   */
  saturated: { ...NOTHING, fallsBack: true, repeatable: 'yes', health: 'well', isTurnedAway: true },
} as const satisfies Record<string, Meaning>;

export type Outcome = keyof typeof MEANINGS;

/** Every outcome, in the order of the numbers that the ledger stores. */
export const OUTCOMES = Object.keys(MEANINGS) as readonly Outcome[];

/** What an outcome means. */
export function meaningOf(outcome: Outcome): Meaning {
  return MEANINGS[outcome];
}

/** Statuses that say something of the endpoint itself: it does not know the token, is gone, or is full. */
const OWN_STATUSES: ReadonlySet<number> = new Set([401, 403, 410, 429]);

/**
 * Every status by which an endpoint says that it does not take a request, rightly or not: too long for its context, of a
 * kind that its engine does not know, out of memory (TGI: 424), a path that it lacks, a body that its proxy refuses.
 */
export const REJECTING_STATUSES: readonly number[] = [
  ...Array.from({ length: 100 }, (_, n) => 400 + n).filter((status) => !OWN_STATUSES.has(status)),
  501,
  505,
];
const REJECTIONS: ReadonlySet<number> = new Set(REJECTING_STATUSES);

/** Whether a status of an endpoint rejects the request, so that only serverless's answer shows whose mistake it was. */
export function isRejection(status: number): boolean {
  return REJECTIONS.has(status);
}

/**
 * Whether an outcome counts against an upstream in a rollout `toward` a kind. A 429 from the endpoint is a fault unless
 * it is `saturated`. A 429 from serverless is no fault in a rollout toward dedicated, because 429s are the reason for
 * that rollout. It is a fault on a way back, because serverless must take the traffic again.
 */
export function isFault(outcome: Outcome, upstream: UpstreamKind, toward: Toward): boolean {
  const { by } = meaningOf(outcome);
  if (by === 'limit') return upstream === 'dedicated' || toward === 'serverless';
  return by === 'upstream' || (by === 'endpoint' && upstream === 'dedicated');
}

/**
 * Whether a call was decided, which means that it may be compared: it got an answer or a fault. A call that the client
 * or our own shutdown cut off shows nothing about the upstream, and neither does a wrong request.
 */
export function isDecided(outcome: Outcome, upstream: UpstreamKind, toward: Toward): boolean {
  return outcome === 'ok' || isFault(outcome, upstream, toward);
}
