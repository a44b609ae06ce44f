import type { IncomingHttpHeaders } from 'node:http';
import type { Outcome } from '../../core/call.ts';
import { backoffMs, isRepeatable, readQuota, readQuotaPolicy } from '../../core/care/retry.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { Way } from '../attempt/targets.ts';
import type { Batches, Seat } from '../batch/batches.ts';
import type { Lanes } from './lanes.ts';
import type { Assignment } from '../request/assignment.ts';
import { askedPatienceMs } from '../request/question.ts';
import type { Asked } from '../request/question.ts';
import type { Pass, Waiter } from './lane.ts';
import type { Refusal } from './refusal.ts';
import { pauseOf } from './retry-after.ts';
import { toldIn } from './serving-provider.ts';
import { waysFor } from './ways.ts';
import type { Ways } from './ways.ts';

/** Whose turn it is. */
interface TurnOwner {
  /** A place is there: make an attempt now. */
  sendNow(): void;
  /** There will be none. */
  refused(refusal: Refusal): void;
  /** The attempt could not be made. */
  fail(error: unknown): void;
}

/** What the ways to serverless are made of. */
interface WaysOut {
  readonly lanes: Lanes;
  readonly batches: Batches;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
}

/** The way of a call to serverless; null where it is not cared for. */
export function turnFor(owner: TurnOwner, shared: WaysOut, asked: Asked, assignment: Assignment): Turn | null {
  const { arrival, care, authorization } = assignment;
  if (care === null) return null;
  const seat = care.batch.most > 1 ? shared.batches.seatFor(asked, authorization, care.batch) : null;
  // What may go together with others goes where they go.
  const ways = waysFor(shared.lanes, asked, care, seat === null ? care.providers : []);
  const patienceMs = Math.min(care.maxWait, askedPatienceMs(asked.headers));
  return new Turn(owner, { ways, policy: care, clock: shared.clock, seat }, { agent: arrival.agent, patienceMs });
}

/** What a call's way leads through. */
interface Surroundings {
  readonly ways: Ways;
  readonly policy: CarePolicy;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  /** Null where it is never sent together with others. */
  readonly seat: Seat | null;
}

/** One call's way to serverless under a limit: waits for a place, and comes back for another where a try was in vain. */
export class Turn implements Waiter {
  readonly agent: string;
  readonly deadlineMs: number;
  /** When it first asked for a place, clock ms. */
  readonly askedAtMs: number;
  /** Whether it did not get one at once. */
  wasHeld = false;
  private readonly ways: Ways;
  private readonly policy: CarePolicy;
  private readonly clock: Pick<Clock, 'now' | 'scale'>;
  private readonly seat: Seat | null;
  private readonly owner: TurnOwner;
  private pass: Pass | null = null;
  /** The provider that an answer named, where it has begun. */
  private told: string | null = null;
  private retries = 0;
  private timer: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(
    owner: TurnOwner,
    { ways, policy, clock, seat }: Surroundings,
    { agent, patienceMs }: { agent: string; patienceMs: number },
  ) {
    this.owner = owner;
    this.ways = ways;
    this.policy = policy;
    this.clock = clock;
    this.seat = seat;
    this.agent = agent;
    this.askedAtMs = clock.now();
    this.deadlineMs = this.askedAtMs + patienceMs;
  }

  begin(): void {
    this.enter(false);
  }

  /** The provider to put behind the model's name in the next attempt; null: none. */
  get suffix(): string | null {
    return this.ways.now.suffix;
  }

  private enter(isRetry: boolean): void {
    this.ways.choose(this.agent);
    const answer = this.ways.now.lane.enter(this, isRetry);
    if (answer === null) this.wasHeld = true;
    else if (answer === 'rides') this.go(null);
    else if ('kind' in answer) this.refuse(answer);
    else this.go(answer);
  }

  get canRide(): boolean {
    return this.seat !== null && this.seat.canRide;
  }

  /** The way to a target, for an attempt that has its place. */
  through(target: Way): Way {
    return this.seat === null ? target : this.seat.through(target, () => this.alone());
  }

  /** It rode along with others, and now goes by itself: it counts as any other. */
  private alone(): void {
    if (!this.isOver) this.pass ??= this.ways.now.lane.force();
  }

  go(pass: Pass | null): void {
    if (this.isOver) {
      if (pass !== null) this.ways.now.lane.left(pass, 'client_left', null);
      return;
    }
    this.pass = pass;
    // Others who wait must not suffer from one that cannot be sent.
    try {
      this.owner.sendNow();
    } catch (error) {
      this.owner.fail(error);
    }
  }

  refuse(refusal: Refusal): void {
    if (this.isOver) return;
    this.isOver = true;
    this.owner.refused(refusal);
  }

  /** Gives the place back: the attempt has ended like this. */
  left(outcome: Outcome, headers: IncomingHttpHeaders | null = null): void {
    const { pass, told } = this;
    if (pass === null) return;
    const { lane, provider } = this.ways.now;
    this.pass = this.told = null;
    lane.served((headers === null ? told : toldIn(headers)) ?? provider, outcome);
    lane.left(pass, outcome, headers === null ? null : pauseOf(headers));
  }

  /** Whether an attempt that ended like this is made again; if so it comes back by itself. */
  again(outcome: Outcome, status: number, headers: IncomingHttpHeaders | null): boolean {
    const { policy, clock } = this;
    const nowMs = clock.now();
    if (this.isOver || nowMs >= this.deadlineMs) return false;
    if (this.ways.leaves(outcome, this.agent)) {
      this.left(outcome, headers);
      this.comeBack(0, false);
      return true;
    }
    if (!isRepeatable(outcome, status) || this.retries >= policy.retries.most) return false;
    const asked = headers === null ? null : pauseOf(headers);
    const pauseMs = backoffMs(this.retries + 1, policy.retries, Math.random(), asked);
    if (nowMs + pauseMs >= this.deadlineMs) return false;
    if (!this.ways.now.lane.budget.take(nowMs, policy.retries.budget)) return false;
    this.retries++;
    this.left(outcome, headers);
    this.comeBack(pauseMs, true);
    return true;
  }

  private comeBack(pauseMs: number, isRetry: boolean): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      if (!this.isOver) this.enter(isRetry);
    }, pauseMs / this.clock.scale);
  }

  /** An answer has begun well; it may tell of the quota. */
  begun(headers: IncomingHttpHeaders): void {
    const { lane } = this.ways.now;
    this.told = toldIn(headers);
    if (this.pass !== null) lane.begun(this.pass);
    const { ratelimit, 'ratelimit-policy': policy } = headers;
    const perSecond = typeof policy === 'string' ? readQuotaPolicy(policy) : null;
    if (perSecond !== null) lane.toldLimit(perSecond);
    const quota = typeof ratelimit === 'string' ? readQuota(ratelimit) : null;
    if (quota !== null) lane.told(quota.left, quota.resetMs);
  }

  /** The call is over. */
  end(): void {
    this.isOver = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.ways.now.lane.cancel(this);
  }
}
