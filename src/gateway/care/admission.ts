import type { IncomingHttpHeaders } from 'node:http';
import type { Outcome } from '../../core/call.ts';
import { backoffMs, isRepeatable } from '../../core/care/retry.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { Target } from '../attempt/targets.ts';
import type { Batches, BatchMember } from '../batch/batches.ts';
import type { Lanes } from './lanes.ts';
import type { Assignment } from '../request/assignment.ts';
import { clientPatienceMs } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Permit, Waiter } from './lane.ts';
import { readAllowedRate, readQuota } from './rate-limit-headers.ts';
import type { Refusal } from './refusal.ts';
import { pauseOf } from './retry-after.ts';
import { namedProvider } from './serving-provider.ts';
import { laneChoiceFor } from './lane-choice.ts';
import type { LaneChoice } from './lane-choice.ts';

/** Whose turn it is. */
interface AdmissionOwner {
  /** A place is there: make an attempt now. */
  sendNow(): void;
  /** There will be none. */
  refused(refusal: Refusal): void;
  /** The attempt could not be made. */
  fail(error: unknown): void;
}

/** What the routes to serverless are made of. */
interface Serverless {
  readonly lanes: Lanes;
  readonly batches: Batches;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
}

/** The way of a call to serverless; null where it is not cared for. */
export function admissionFor(
  owner: AdmissionOwner,
  shared: Serverless,
  incoming: IncomingCall,
  assignment: Assignment,
): Admission | null {
  const { arrival, care, authorization } = assignment;
  if (care === null) return null;
  const member = care.batch.most > 1 ? shared.batches.memberFor(incoming, authorization, care.batch) : null;
  // What may go together with others goes where they go.
  const choice = laneChoiceFor(shared.lanes, incoming, care, member === null ? care.providers : []);
  const patienceMs = Math.min(care.maxWait, clientPatienceMs(incoming.headers));
  return new Admission(
    owner,
    { choice, policy: care, clock: shared.clock, member },
    { agent: arrival.agent, patienceMs },
  );
}

/** What a call's way leads through. */
interface Surroundings {
  readonly choice: LaneChoice;
  readonly policy: CarePolicy;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  /** Null where it is never sent together with others. */
  readonly member: BatchMember | null;
}

/** One call's way to serverless under a limit: waits for a place, and comes back for another where a try was in vain. */
export class Admission implements Waiter {
  readonly agent: string;
  readonly deadlineMs: number;
  /** When it first asked for a place, clock ms. */
  readonly askedAtMs: number;
  /** Whether it did not get one at once. */
  wasHeld = false;
  readonly #choice: LaneChoice;
  readonly #policy: CarePolicy;
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  readonly #member: BatchMember | null;
  readonly #owner: AdmissionOwner;
  #permit: Permit | null = null;
  /** The provider that an answer named, where it has begun. */
  #namedProvider: string | null = null;
  #retries = 0;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(
    owner: AdmissionOwner,
    { choice, policy, clock, member }: Surroundings,
    { agent, patienceMs }: { agent: string; patienceMs: number },
  ) {
    this.#owner = owner;
    this.#choice = choice;
    this.#policy = policy;
    this.#clock = clock;
    this.#member = member;
    this.agent = agent;
    this.askedAtMs = clock.now();
    this.deadlineMs = this.askedAtMs + patienceMs;
  }

  begin(): void {
    this.#enter(false);
  }

  /** The provider to put behind the model's name in the next attempt; null: none. */
  get suffix(): string | null {
    return this.#choice.current.suffix;
  }

  #enter(isRetry: boolean): void {
    this.#choice.choose(this.agent);
    const answer = this.#choice.current.lane.enter(this, isRetry);
    if (answer === null) this.wasHeld = true;
    else if (answer === 'in_batch') this.admit(null);
    else if ('kind' in answer) this.refuse(answer);
    else this.admit(answer);
  }

  get canJoinBatch(): boolean {
    return this.#member !== null && this.#member.canJoinBatch;
  }

  /** The way to a target, for an attempt that has its place. */
  wrap(target: Target): Target {
    return this.#member === null ? target : this.#member.wrap(target, () => this.#alone());
  }

  /** It rode along with others, and now goes by itself: it counts as any other. */
  #alone(): void {
    if (!this.#isOver) this.#permit ??= this.#choice.current.lane.grantInAnyCase();
  }

  admit(permit: Permit | null): void {
    if (this.#isOver) {
      if (permit !== null) this.#choice.current.lane.release(permit, 'client_left', null);
      return;
    }
    this.#permit = permit;
    // Others who wait must not suffer from one that cannot be sent.
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

  /** Gives the place back: the attempt has ended like this. */
  release(outcome: Outcome, headers: IncomingHttpHeaders | null = null): void {
    const permit = this.#permit;
    const named = this.#namedProvider;
    if (permit === null) return;
    const { lane, provider } = this.#choice.current;
    this.#permit = this.#namedProvider = null;
    lane.countAttempt((headers === null ? named : namedProvider(headers)) ?? provider, outcome);
    lane.release(permit, outcome, headers === null ? null : pauseOf(headers));
  }

  /** Whether an attempt that ended like this is made again; if so it comes back by itself. */
  tryAgain(outcome: Outcome, status: number, headers: IncomingHttpHeaders | null): boolean {
    const policy = this.#policy;
    const clock = this.#clock;
    const nowMs = clock.now();
    if (this.#isOver || nowMs >= this.deadlineMs) return false;
    if (this.#choice.leaves(outcome, this.agent)) {
      this.release(outcome, headers);
      this.#comeBack(0, false);
      return true;
    }
    if (!isRepeatable(outcome, status) || this.#retries >= policy.retries.most) return false;
    const requestedMs = headers === null ? null : pauseOf(headers);
    const pauseMs = backoffMs(this.#retries + 1, policy.retries, Math.random(), requestedMs);
    if (nowMs + pauseMs >= this.deadlineMs) return false;
    if (!this.#choice.current.lane.retryAllowance.take(nowMs, policy.retries.share)) return false;
    this.#retries++;
    this.release(outcome, headers);
    this.#comeBack(pauseMs, true);
    return true;
  }

  #comeBack(pauseMs: number, isRetry: boolean): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#isOver) this.#enter(isRetry);
    }, pauseMs / this.#clock.scale);
  }

  /** An answer has begun well; it may tell of the quota. */
  answerBegan(headers: IncomingHttpHeaders): void {
    const { lane } = this.#choice.current;
    this.#namedProvider = namedProvider(headers);
    if (this.#permit !== null) lane.answerBegan(this.#permit);
    const perSecond = readAllowedRate(headers);
    if (perSecond !== null) lane.limitStated(perSecond);
    const quota = readQuota(headers);
    if (quota !== null) lane.quotaStated(quota.left, quota.resetMs);
  }

  /** The call is over. */
  end(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#choice.current.lane.cancel(this);
  }
}
