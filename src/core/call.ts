import { isRejection } from './outcome.ts';
import type { IneligibleReason } from './eligibility.ts';
import type { Agreement } from './form/agreement.ts';
import type { AnswerForm } from './form/form.ts';
import type { Outcome } from './outcome.ts';
import { upstreamOf } from './route.ts';
import type { CallShape, Role, UpstreamKind } from './route.ts';

/** Number of the only gateway; the ledger has the same number. */
export const GATEWAY_ID = 1;

/** Which call it is: the two together are unique in a ledger. */
export interface CallKey {
  /** Number of the gateway that took the call. */
  readonly gatewayId: number;
  /** When the call arrived there, epoch microseconds. It also decides the call's role. */
  readonly arrivedAtUs: number;
}

/** One attempt at one upstream. */
export interface AttemptRecord {
  readonly upstream: UpstreamKind;
  /** Clock microseconds from the call's arrival to the start of this attempt. */
  readonly startedAfterUs: number;
  /** HTTP status, 0 if none came. */
  readonly status: number;
  readonly outcome: Outcome;
  /** Clock microseconds from the start of this attempt to the first byte of its answer; null if none came. */
  readonly firstByteUs: number | null;
  readonly durationUs: number;
}

/** The part of an attempt that says when its outcome was known. */
export type TimedAttempt = Omit<AttemptRecord, 'outcome'> & {
  /** Null while it is not known. */
  readonly outcome: Outcome | null;
};

/**
 * Clock microseconds from a call's arrival until the outcome of its first attempt was known: with an error status at
 * the first byte, else at the end of the answer. If an endpoint rejected the call, the outcome is known once serverless
 * has answered or failed as well, because only that shows whose mistake it was; a paused
 * endpoint says so by itself. `last`: the call's last attempt, if it
 * is another one.
 */
export function knownAfterUs(
  first: TimedAttempt,
  last: Pick<TimedAttempt, 'startedAfterUs' | 'firstByteUs' | 'durationUs'> | null,
): number {
  const { upstream, outcome, startedAfterUs, status, firstByteUs, durationUs } = first;
  if (last !== null && upstream === 'dedicated' && isRejection(status) && outcome !== 'paused') {
    return last.startedAfterUs + (last.firstByteUs ?? last.durationUs);
  }
  return startedAfterUs + (status >= 400 && firstByteUs !== null ? firstByteUs : durationUs);
}

/** `knownAfterUs` of a call's attempts; null if it has none. */
export function knownAfterAllUs(attempts: readonly TimedAttempt[]): number | null {
  const [first] = attempts;
  if (first === undefined) return null;
  return knownAfterUs(first, attempts.length > 1 ? (attempts.at(-1) as TimedAttempt) : null);
}

/** The record of one finished call. All times in clock microseconds. It never contains prompt, completion or token. */
export interface Call extends CallKey {
  readonly durationUs: number;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  /** Whether the agent's id was derived from token and user agent instead of being sent. */
  readonly isAgentDerived: boolean;
  /** The rollout whose weights applied; null if none did. */
  readonly rolloutId: string | null;
  readonly step: number;
  /** The canary's weight at the time of assignment, 0..1. */
  readonly weight: number;
  /** The role that the call was assigned to, whichever upstream served it; null if it was not assigned. */
  readonly role: Role | null;
  /** Whether the call could have been split; weights and verdicts leave out ineligible calls. */
  readonly isEligible: boolean;
  /** Why its model's endpoint could not get it; absent if it could, or if there was none. */
  readonly ineligibleReason?: IneligibleReason;
  /** The upstream whose answer the client got; null if the gateway itself answered. */
  readonly servedBy: UpstreamKind | null;
  /** The provider that served it behind the serverless router, if known. */
  readonly provider?: string | null;
  /** The status that the client got; 0 if it left or was cut off before one. */
  readonly status: number;
  /** How the assigned (first) attempt ended. This counts for the role. */
  readonly outcome: Outcome;
  /** How the call ended for the client. */
  readonly finalOutcome: Outcome;
  readonly hasClientLeft: boolean;
  /** Whether it was sent without credentials. */
  readonly hasNoToken: boolean;
  /** From arrival to the first byte sent to the client. */
  readonly firstByteUs: number | null;
  /** From arrival to the first token; null if the answer is no stream, because then all bytes come at its end. */
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  /** Whether the answer held no text, tool call, reasoning or data; null if it could not be read, or if there was none. */
  readonly isEmpty: boolean | null;
  /** The form of the first attempt's answer; null if that attempt gave none, or if it was not read. */
  readonly form: AnswerForm | null;
  /** How far its answer agrees with that of its copy; absent if it ended before the copy, which then has it. */
  readonly agreement?: Agreement | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** `arrivedAtUs` of the refused call of the same gateway that this one repeats. The two count once as demand. */
  readonly repeatOfUs: number | null;
  /** Whether a copy of it was sent to the endpoint. */
  readonly hasShadow: boolean;
  /** How long the gateway held it before its first attempt to keep a limit; 0 if it did not. */
  readonly waitedUs: number;
  /** Whether it went past the gateway, straight to serverless, and was reported later. */
  readonly isBypass?: boolean;
  /** The unit that it was assigned with, if it may share one; absent: it was assigned by itself. */
  readonly unit?: number;
  /** Whether its role belongs to a way back, in which serverless is the canary. */
  readonly isWayBack?: boolean;
  /** Whether it was given to the endpoint, without a role, because serverless was out. */
  readonly isThroughOutage?: boolean;
  /** Whether it was held, or not sent, because serverless was out: that is no demand beyond a limit. */
  readonly wasOut?: boolean;
  /** Whether its endpoint was full when it came, so that it got no role. */
  readonly wasFull?: boolean;
  /** Whether it would have been drawn for the endpoint, had there been room. */
  readonly isOverflow?: boolean;
  readonly attempts: readonly AttemptRecord[];
}

/**
 * The result of a copy of a call. The copy was sent to the endpoint in the shadow stage or in a step, and its answer was read
 * and discarded. Its key is the key of the live call. Times are clock microseconds from the live call's arrival, as if the
 * copy had started at the same moment as the call.
 */
export interface Shadow extends CallKey {
  readonly rolloutId: string;
  /** HTTP status, 0 if none came. */
  readonly status: number;
  /** `cut` if our own shutdown ended it, or if it still streamed after the longest time that a copy may take. */
  readonly outcome: Outcome;
  /** Until the outcome was known. */
  readonly knownAfterUs: number;
  readonly firstByteUs: number | null;
  readonly firstTokenUs: number | null;
  readonly durationUs: number;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  /** Whether the answer held no text, tool call, reasoning or data; null if it could not be read, or if there was none. */
  readonly isEmpty: boolean | null;
  /** The form of its answer; null if there was none, or if it was not read. */
  readonly form: AnswerForm | null;
  /** How far its answer agrees with the live call's; null if it ended before the live call, which then has it. */
  readonly agreement: Agreement | null;
}

/**
 * Where finished calls go. `release` is called exactly once: when the row is durable, or when the ledger has waited as
 * long as it may. Only then may the end of the response be sent to the client.
 */
export interface Recorder {
  record(call: Call, release: () => void): void;
  /** No client waits for it. If the ledger is full, it is dropped before any call. */
  recordShadow(shadow: Shadow): void;
  /** Whether answers are sent before their rows are durable. */
  readonly isDegraded: boolean;
}

/** What is known about a call once it is assigned to a role. */
export interface Arrival extends CallKey {
  /** When its request was read and its role assigned, epoch µs. */
  readonly assignedAtUs: number;
  /** How long it was then held to keep a limit, until its first attempt or its end without one; clock µs. */
  readonly waitedUs: number;
  /** Whether it was held, or not sent, because serverless was out. */
  readonly wasOut?: boolean;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  readonly rolloutId: string | null;
  readonly step: number;
  /** The canary's weight, 0..1; 0 if there is none. */
  readonly weight: number;
  readonly role: Role | null;
  readonly isEligible: boolean;
  /** Why its model's endpoint cannot get it; absent if it can, or if there is none. */
  readonly ineligibleReason?: IneligibleReason;
  readonly hasNoToken: boolean;
  /** Whether it repeats a refused call that already counts as demand. */
  readonly isRepeat: boolean;
  /** The unit that it was assigned with, if it may share one; absent: it was assigned by itself. */
  readonly unit?: number;
  /** Whether its role belongs to a way back, in which serverless is the canary. */
  readonly isWayBack?: boolean;
  /** Whether it was given to the endpoint, without a role, because serverless was out. */
  readonly isThroughOutage?: boolean;
  /** Whether its endpoint was full when it came: it got no role, and no figure of either role counts it. */
  readonly wasFull?: boolean;
  /** Whether it would have been drawn for the endpoint, had there been room. */
  readonly isOverflow?: boolean;
}

/** The upstream that a call was assigned to, whichever served it; serverless if it was not assigned. */
export function assignedTo({
  role,
  isWayBack,
  isThroughOutage,
}: Pick<Arrival, 'role' | 'isWayBack' | 'isThroughOutage'>): UpstreamKind {
  if (isThroughOutage === true) return 'dedicated';
  return role === null ? 'serverless' : upstreamOf(role, isWayBack === true ? 'serverless' : 'dedicated');
}

/** A call that was held for longer than this counts as a call that serverless could not take. */
export const DELAYED_US = 1_000_000;

/**
 * Whether a call shows that serverless takes no more calls. What waited because serverless was out, or for a place at the
 * endpoint, does not show that.
 */
export function isBeyondLimit(call: Pick<Call, 'outcome' | 'waitedUs' | 'wasOut' | 'wasFull'>): boolean {
  return call.outcome === 'rate_limited' || isDelayed(call);
}

/** Whether a call was held because serverless takes no more, and for so long that it counts as one too many. */
export function isDelayed({ waitedUs, wasOut, wasFull }: Pick<Call, 'waitedUs' | 'wasOut' | 'wasFull'>): boolean {
  return waitedUs >= DELAYED_US && wasOut !== true && wasFull !== true;
}

/**
 * Observes the gateway's calls as they happen. Its methods run on the path of a call: they must be quick and must not
 * throw.
 */
export interface CallObserver {
  arrived(arrival: Arrival): void;
  /** Its first attempt starts, at once or when the upstream's limit permits it. Or the call ends without an attempt. */
  sent(arrival: Arrival): void;
  /**
   * The first attempt's outcome is known and is not `ok`, or the gateway refused the call because of a limit, without
   * an attempt. The call may still be served by a retry or a fall-back. `knownAfterUs`: exactly what the function of
   * this name gives for the attempts in the call's row. `errorCode`: of the error that ended it; empty without one.
   */
  failed(arrival: Arrival, outcome: Outcome, upstream: UpstreamKind, knownAfterUs: number, errorCode: string): void;
  ended(call: Call): void;
  /** The copy of a call has ended, before or after the call itself. */
  shadowed(arrival: Arrival, shadow: Shadow): void;
}
