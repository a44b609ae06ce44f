import type { Outcome } from '../../core/outcome.ts';
import { backoffMs } from '../../core/care/retry.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { Attempt } from '../attempt/attempt.ts';
import type { Target } from '../attempt/targets.ts';
import type { Batches, BatchMember } from '../batch/batches.ts';
import type { Lanes } from './lanes.ts';
import type { Assignment } from '../request/assignment.ts';
import type { Hashes } from '../request/hashes.ts';
import { clientPatienceMs } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import { NO_FAULT } from './lane.ts';
import type { Fault } from './lane.ts';
import type { Permit, Waiter } from './waiting-line.ts';
import { readAllowedRate, readQuota } from './rate-limit-headers.ts';
import type { Refusal } from './refusal.ts';
import { pauseOf } from './retry-after.ts';
import { namedProvider } from './serving-provider.ts';
import { laneChoiceFor } from './lane-choice.ts';
import type { LaneChoice } from './lane-choice.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/** Who is admitted. */
interface AdmissionOwner {
  /** A permit was granted: the attempt is to be made now. */
  sendNow(): void;
  /** The call may not be sent. */
  refused(refusal: Refusal): void;
  /** `sendNow` threw. */
  fail(error: unknown): void;
}

/** What is asked about an attempt that has ended. */
type EndedAttempt = Pick<Attempt, 'hasConnected'>;

/** What all admissions of a gateway share. */
export interface AdmissionParts {
  readonly lanes: Lanes;
  readonly hashes: Hashes;
  readonly batches: Batches;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
}

/**
 * Admits a call to serverless; null if the policy sets no limits there. `canWait`: whether it may wait for a place, as
 * long as the policy and its client allow.
 */
export function admissionFor(
  owner: AdmissionOwner,
  shared: AdmissionParts,
  incoming: IncomingCall,
  assignment: Assignment,
  canWait: boolean,
): Admission | null {
  const { arrival, care, authorization } = assignment;
  if (care === null) return null;
  const member = care.batch.most > 1 ? shared.batches.memberFor(incoming, authorization, care.batch) : null;
  // A call that may join a batch stays on its own lane: a batch has one provider.
  const choice = laneChoiceFor(shared.lanes, incoming, care, member === null ? care.providers : []);
  const patienceMs = !canWait ? 0 : Math.min(care.maxWait, clientPatienceMs(incoming.headers));
  const { hashes, clock } = shared;
  const call = { incoming, authorization: authorization ?? '', agent: arrival.agent, patienceMs };
  return new Admission(owner, { choice, policy: care, clock, member, hashes }, call);
}

/**
 * Whether serverless takes a call now, without a wait. `mostRefused`: it does not if it refused a larger share of calls
 * lately, 0..1.
 */
export function serverlessTakes(
  shared: AdmissionParts,
  incoming: IncomingCall,
  assignment: Assignment,
  mostRefused: number,
): boolean {
  return admissionFor(NOBODY, shared, incoming, assignment, false)?.isFree(mostRefused) ?? true;
}

const NOBODY: AdmissionOwner = { sendNow: () => undefined, refused: () => undefined, fail: () => undefined };

/** What an admission works with. */
interface Surroundings {
  readonly choice: LaneChoice;
  readonly policy: CarePolicy;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  /** Null if the call is never sent in a batch. */
  readonly member: BatchMember | null;
  readonly hashes: Hashes;
}

/** What an admission needs to know of its call. `patienceMs`: how long it may wait for a place, clock ms. */
interface AdmittedCall {
  readonly incoming: IncomingCall;
  readonly authorization: string;
  readonly agent: string;
  readonly patienceMs: number;
}

/**
 * One call at the limits of serverless: waits for a permit, holds it during an attempt, and waits again for a retry.
 */
export class Admission implements Waiter {
  readonly agent: string;
  readonly deadlineMs: number;
  /** Whether it had to wait for a permit. */
  wasHeld = false;
  /** Whether it waited, or was not sent, because serverless was out. */
  wasOut = false;
  readonly #choice: LaneChoice;
  readonly #policy: CarePolicy;
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  readonly #member: BatchMember | null;
  readonly #hashes: Hashes;
  readonly #call: AdmittedCall;
  #credential: string | null = null;
  readonly #owner: AdmissionOwner;
  #permit: Permit | null = null;
  /** The provider that the answer named; null until an answer has begun, and if it names none. */
  #namedProvider: string | null = null;
  #retries = 0;
  #hasFaulted = false;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(owner: AdmissionOwner, { choice, policy, clock, member, hashes }: Surroundings, call: AdmittedCall) {
    this.#owner = owner;
    this.#choice = choice;
    this.#policy = policy;
    this.#clock = clock;
    this.#member = member;
    this.#hashes = hashes;
    this.#call = call;
    this.agent = call.agent;
    this.deadlineMs = clock.now() + call.patienceMs;
  }

  /** Whether it would get a permit now. `mostRefused`: the share of calls that serverless may have refused lately. */
  isFree(mostRefused: number): boolean {
    this.#choice.choose(this);
    const { lane } = this.#choice.current;
    return !lane.isOut && lane.waitMs(this) === 0 && lane.refusedLately <= mostRefused;
  }

  /** Asks for the first permit. */
  begin(): void {
    this.#enter(false);
  }

  /** The provider to append to the model's name in the next attempt; null: none. */
  get suffix(): string | null {
    return this.#choice.current.suffix;
  }

  #enter(isRetry: boolean): void {
    this.#choice.choose(this);
    const { lane } = this.#choice.current;
    const answer = lane.enter(this, isRetry);
    if (answer === 'in_batch') this.admit(null);
    else if (answer !== null && !('kind' in answer)) this.admit(answer);
    else {
      this.wasOut ||= lane.isOut;
      if (answer === null) this.wasHeld = true;
      else this.refuse(answer);
    }
  }

  get credential(): string {
    return (this.#credential ??= this.#hashes.ofCredential(this.#call.authorization));
  }

  get canJoinBatch(): boolean {
    return this.#member !== null && this.#member.canJoinBatch;
  }

  /** The target of an attempt that was admitted: the same one, or one that sends the call in a batch. */
  wrap(target: Target): Target {
    return this.#member === null ? target : this.#member.wrap(target, () => this.#sentAlone());
  }

  /** The call joined a batch without a permit and is now sent by itself: it takes a permit like any other call. */
  #sentAlone(): void {
    if (!this.#isOver) this.#permit ??= this.#choice.current.lane.grantInAnyCase(this);
  }

  admit(permit: Permit | null): void {
    if (this.#isOver) {
      if (permit !== null) this.#choice.current.lane.release(permit, 'client_left', null);
      return;
    }
    this.#permit = permit;
    // The lane admits one waiter after the other: a call that cannot be sent must not stop it.
    try {
      this.#owner.sendNow();
    } catch (error) {
      this.#owner.fail(error);
    }
  }

  refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.refused(refusal);
  }

  /**
   * Gives the permit back, if there is one: the attempt has ended with `outcome`. `attempt`: null if it is not known.
   * `headers`: the answer's, if any.
   */
  release(outcome: Outcome, attempt: EndedAttempt | null = null, headers: AnswerHeaders | null = null): void {
    const permit = this.#permit;
    const named = this.#namedProvider;
    if (permit === null) return;
    const { lane, provider } = this.#choice.current;
    this.#permit = this.#namedProvider = null;
    lane.countAttempt((headers === null ? named : namedProvider(headers)) ?? provider, outcome);
    const fault = outcome === 'ok' ? NO_FAULT : this.#faultOf(outcome, attempt);
    lane.release(permit, outcome, headers === null ? null : pauseOf(headers), fault);
  }

  #faultOf(outcome: Outcome, attempt: EndedAttempt | null): Fault {
    const isUnreachable = outcome === 'connect_failed' && attempt !== null && !attempt.hasConnected;
    return { bodyOf: () => this.#faultyBody(), isUnreachable };
  }

  #faultyBody(): string | null {
    if (this.#hasFaulted) return null;
    this.#hasFaulted = true;
    const { incoming } = this.#call;
    return this.#hashes.of(incoming.destination.path, incoming.body);
  }

  /**
   * Whether another attempt follows one that ended with `outcome`. If so, `sendNow` or `refused` is called later.
   * `isRepeatable`: whether the upstream may get the call again.
   */
  tryAgain(outcome: Outcome, isRepeatable: boolean, attempt: EndedAttempt, headers: AnswerHeaders | null): boolean {
    const policy = this.#policy;
    const clock = this.#clock;
    const nowMs = clock.now();
    if (this.#isOver || nowMs >= this.deadlineMs) return false;
    if (this.#choice.leaves(outcome, this)) {
      this.release(outcome, attempt, headers);
      this.#enterAfter(0, false);
      return true;
    }
    if (!isRepeatable || this.#retries >= policy.retries.most) return false;
    const requestedMs = headers === null ? null : pauseOf(headers);
    const pauseMs = backoffMs(this.#retries + 1, policy.retries, Math.random(), requestedMs);
    if (nowMs + pauseMs >= this.deadlineMs) return false;
    if (!this.#choice.current.lane.retryAllowance.take(nowMs, policy.retries.share)) return false;
    this.#retries++;
    this.release(outcome, attempt, headers);
    this.#enterAfter(pauseMs, true);
    return true;
  }

  #enterAfter(pauseMs: number, isRetry: boolean): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#isOver) this.#enter(isRetry);
    }, pauseMs / this.#clock.scale);
  }

  /** A successful answer has begun; its headers may state limits. */
  answerBegan(headers: AnswerHeaders): void {
    const { lane } = this.#choice.current;
    this.#namedProvider = namedProvider(headers);
    const permit = this.#permit;
    if (permit === null) return;
    lane.answerBegan(permit);
    const perSecond = readAllowedRate(headers);
    if (perSecond !== null) lane.limitStated(permit, perSecond);
    const quota = readQuota(headers);
    if (quota !== null) lane.quotaStated(permit, quota.left, quota.resetMs);
  }

  /** The call has ended: it waits no longer. */
  end(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#choice.current.lane.cancel(this);
  }
}
