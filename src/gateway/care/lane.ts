import type { Outcome } from '../../core/outcome.ts';
import { admits, CLOSED, ended, sent } from '../../core/care/breaker.ts';
import type { Breaker } from '../../core/care/breaker.ts';
import { FairQueue } from '../../core/care/fair-queue.ts';
import { InFlightLimit } from '../../core/care/in-flight.ts';
import type { LaneCounts, LaneStatus, LearnedLane } from '../../core/care/lane-status.ts';
import { ProviderTally } from '../../core/care/providers.ts';
import { RateLimit } from '../../core/care/rate-limit.ts';
import type { Outgoing } from '../../core/care/rate-limit.ts';
import { RetryAllowance } from '../../core/care/retry.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { Refusal } from './refusal.ts';

/** A call that asks for a permit. */
export interface Waiter {
  readonly agent: string;
  /** Clock ms: it is not sent later than this. */
  readonly deadlineMs: number;
  /** Whether a batch is about to be sent that has room for it: then it needs no permit of its own. */
  readonly canJoinBatch: boolean;
  /** It may be sent now. `permit`: null if it joins a batch. */
  admit(permit: Permit | null): void;
  /** It may not be sent. */
  refuse(refusal: Refusal): void;
}

/** The permission for one request to the upstream; `release` gives it back. */
export interface Permit {
  readonly outgoing: Outgoing;
  readonly wasProbe: boolean;
}

const WINDOW_MS = 300_000;
const LEAST_RETRY_AFTER_MS = 1_000;
/**
 * A 503 counts as overload only if another call was answered within this time, clock ms. Otherwise it may come from a
 * faulty upstream, which takes no calls however few are sent.
 */
const RECENTLY_MS = 10_000;
/** After so many calls in a row that a listed provider cannot serve, it gets none for `LEFT_OUT_MS` (clock ms). */
const UNABLE_IN_A_ROW = 3;
const LEFT_OUT_MS = 600_000;

/**
 * The calls to serverless for one model by one provider: decides which are sent now, which wait and which are refused.
 */
export class Lane {
  readonly retryAllowance = new RetryAllowance(WINDOW_MS);
  readonly counts: LaneCounts = { sent: 0, refusedByUpstream: 0, refusedHere: 0, held: 0, noCredits: 0 };
  readonly #providers = new ProviderTally();
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  #policy: CarePolicy;
  readonly #rate: RateLimit;
  readonly #inFlight: InFlightLimit;
  readonly #queue: FairQueue<Waiter>;
  #breaker: Breaker;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #noCreditsAtMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerAtMs = 0;
  #isDraining = false;
  #unableInARow = 0;
  #leftOutUntilMs = Number.NEGATIVE_INFINITY;

  constructor(policy: CarePolicy, clock: Pick<Clock, 'now' | 'scale'>, learned: LearnedLane | null) {
    this.#policy = policy;
    this.#clock = clock;
    this.#rate = new RateLimit(policy.ramp, learned?.rate);
    this.#inFlight = new InFlightLimit(learned?.inFlight);
    this.#queue = new FairQueue(policy.queue);
    // The probes of the former process are gone with it.
    const before = learned?.breaker ?? CLOSED;
    this.#breaker = before.state === 'half-open' ? { ...before, probing: 0 } : before;
  }

  /** Applies a newer policy; the queue keeps its size. */
  adopt(policy: CarePolicy): void {
    this.#policy = policy;
  }

  /**
   * Asks for a permit. Returns one if it is free now; null if the waiter waits; a refusal if waiting is useless;
   * `in_batch` if the waiter needs no permit.
   */
  enter(waiter: Waiter, isRetry: boolean): Permit | Refusal | 'in_batch' | null {
    const nowMs = this.#clock.now();
    if (!isRetry) this.retryAllowance.call(nowMs);
    if (waiter.canJoinBatch) return 'in_batch';
    if (this.#canGrant(nowMs)) return this.#grant(nowMs);
    const waitMs = this.#expectedWaitMs(waiter.agent, nowMs);
    if (nowMs + waitMs > waiter.deadlineMs) return this.#refusal(this.#refusalKind(), waitMs);
    const displaced = this.#queue.add(waiter.agent, waiter, isRetry);
    if (displaced === waiter) return this.#refusal('queue_full', waitMs);
    if (displaced !== null) displaced.refuse(this.#refusal('queue_full', waitMs));
    this.counts.held++;
    this.#arm(nowMs);
    return null;
  }

  /** A permit for a call that is sent in any case. */
  grantInAnyCase(): Permit {
    return this.#grant(this.#clock.now());
  }

  #canGrant(nowMs: number): boolean {
    return this.#queue.size === 0 && this.#nextAt(nowMs) <= nowMs && this.#inFlight.hasRoom;
  }

  /** How long a call of the agent would wait, clock ms: 0 if a permit is free now, infinite if that is not known. */
  waitMs(agent: string): number {
    const nowMs = this.#clock.now();
    if (nowMs < this.#leftOutUntilMs) return Number.POSITIVE_INFINITY;
    if (this.#canGrant(nowMs)) return 0;
    return this.#breaker.state === 'closed'
      ? Math.max(1, this.#expectedWaitMs(agent, nowMs))
      : Number.POSITIVE_INFINITY;
  }

  /** Notes that the provider could not serve a call that was sent here because its own lane was busy. */
  noteUnable(): void {
    if (++this.#unableInARow >= UNABLE_IN_A_ROW) this.#leftOutUntilMs = this.#clock.now() + LEFT_OUT_MS;
  }

  /** Counts an ended attempt for the provider that took it. */
  countAttempt(provider: string, outcome: Outcome): void {
    this.#providers.count(provider, outcome);
    if (outcome === 'ok') this.#unableInARow = 0;
  }

  /** Takes a waiter out of the queue. */
  cancel(waiter: Waiter): void {
    this.#queue.remove(waiter.agent, waiter);
  }

  /** Gives a permit back: the attempt has ended, or its error status is known. `retryAfterMs`: as the upstream asks. */
  release(permit: Permit, outcome: Outcome, retryAfterMs: number | null): void {
    const { outgoing } = permit;
    const nowMs = this.#clock.now();
    const isWanted = this.#queue.size > 0;
    this.#inFlight.inFlight--;
    if (outcome === 'rate_limited') {
      this.counts.refusedByUpstream++;
      this.#rate.refused(outgoing, nowMs, retryAfterMs);
    } else if (outcome === 'unavailable' || outcome === 'connect_failed') {
      this.#rate.cancelled(outgoing);
      const isCrowd = outcome === 'unavailable' && nowMs - this.#answeredAtMs < RECENTLY_MS;
      if (isCrowd) this.#inFlight.overloaded(this.#inFlight.inFlight, nowMs);
    } else if (outcome === 'no_credits') {
      this.counts.noCredits++;
      this.#noCreditsAtMs = nowMs;
    } else if (outcome === 'ok') {
      this.#answeredAtMs = nowMs;
      this.#inFlight.answered(isWanted);
    }
    this.#noteOutcome(outcome, permit, nowMs);
  }

  #noteOutcome(outcome: Outcome, { wasProbe }: Permit, nowMs: number): void {
    const before: Breaker = this.#breaker;
    this.#breaker = ended(before, this.#policy.breaker, { outcome, wasProbe, nowMs });
    if (before.state === 'closed' || this.#breaker.state !== 'closed') return this.#drain();
    // The breaker has just closed: the traffic returns gradually, within one cool-down at most.
    this.#rate.ramp(nowMs, Math.min(this.#policy.ramp, this.#policy.breaker.cooldown));
    this.#drain();
  }

  /** A successful answer has begun. That ends a probe: it has shown that the upstream answers. */
  answerBegan(permit: Permit): void {
    const nowMs = this.#clock.now();
    this.#rate.taken(permit.outgoing, nowMs);
    if (permit.wasProbe && this.#breaker.state !== 'closed') this.#noteOutcome('ok', permit, nowMs);
    else if (this.#queue.size > 0) this.#drain();
  }

  /** The upstream states how many calls per second it accepts. */
  limitStated(perSecond: number): void {
    this.#rate.limitStated(perSecond, this.#clock.now());
  }

  /** The upstream states in a successful answer how many calls are left until its quota is reset. */
  quotaStated(left: number, resetMs: number): void {
    this.#rate.quotaStated(left, resetMs, this.#clock.now());
  }

  /** Refuses the waiters whose deadline has passed, and admits those that it can. */
  sweep(): void {
    if (this.#queue.size === 0) return;
    const nowMs = this.#clock.now();
    for (const waiter of this.#queue.items()) {
      if (nowMs < waiter.deadlineMs) continue;
      this.#queue.remove(waiter.agent, waiter);
      waiter.refuse(this.#refusal(this.#refusalKind(), this.#expectedWaitMs(waiter.agent, nowMs)));
    }
    this.#drain();
  }

  get learned(): LearnedLane {
    return { rate: this.#rate.learned, inFlight: this.#inFlight.learned, breaker: this.#breaker };
  }

  get status(): LaneStatus {
    const { perSecond } = this.#rate.learned;
    return {
      limit: perSecond === null ? null : Math.round((perSecond * WINDOW_MS) / 1_000),
      isBlocked: this.#rate.isBlocked,
      inFlight: this.#inFlight.inFlight,
      inFlightLimit: this.#inFlight.learned.most,
      waiting: this.#queue.size,
      waitingAgents: this.#queue.agents,
      breaker: this.#breaker,
      retryShare: this.retryAllowance.shareAt(this.#clock.now()),
      noCreditsAt: this.#noCreditsAtMs,
      counts: { ...this.counts },
      providers: this.#providers.counts,
    };
  }

  #grant(nowMs: number): Permit {
    const wasProbe = this.#breaker.state !== 'closed';
    this.#breaker = sent(this.#breaker, nowMs);
    this.#inFlight.inFlight++;
    this.counts.sent++;
    return { outgoing: this.#rate.send(nowMs, this.#queue.size > 0), wasProbe };
  }

  #nextAt(nowMs: number): number {
    const { ok, askAt } = admits(this.#breaker, this.#policy.breaker, nowMs);
    // No further probe is allowed: only the end of one can change that.
    if (!ok) return Math.max(askAt, nowMs + 1);
    return this.#rate.nextAt(nowMs);
  }

  #drain(): void {
    // A waiter that is admitted may fail at once, and its release calls this function again.
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (;;) {
        const nowMs = this.#clock.now();
        if (this.#queue.size === 0 || !this.#inFlight.hasRoom || this.#nextAt(nowMs) > nowMs) break;
        const waiter = this.#queue.take();
        if (waiter === undefined) break;
        waiter.admit(this.#grant(nowMs));
        if (waiter.canJoinBatch) this.#admitJoiners();
      }
    } finally {
      this.#isDraining = false;
    }
    this.#arm(this.#clock.now());
  }

  /** Admits the waiters that can join the batch of the one that was just admitted. */
  #admitJoiners(): void {
    for (const waiter of this.#queue.items()) {
      if (waiter.canJoinBatch && this.#queue.remove(waiter.agent, waiter)) waiter.admit(null);
    }
  }

  #arm(nowMs: number): void {
    if (this.#queue.size === 0 || !this.#inFlight.hasRoom) return;
    const atMs = this.#nextAt(nowMs);
    if (this.#timer !== null) {
      if (this.#timerAtMs <= atMs + 1) return;
      clearTimeout(this.#timer);
    }
    this.#timerAtMs = atMs;
    const waitMs = Math.max(1, (atMs - nowMs) / this.#clock.scale);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#drain();
    }, waitMs).unref();
  }

  #refusalKind(): Refusal['kind'] {
    return this.#breaker.state === 'closed' ? 'over_limit' : 'circuit_open';
  }

  #refusal(kind: Refusal['kind'], waitMs: number): Refusal {
    this.counts.refusedHere++;
    return { kind, retryAfterMs: Math.max(LEAST_RETRY_AFTER_MS, waitMs) };
  }

  /** How long the next call of the agent would wait, clock ms. */
  #expectedWaitMs(agent: string, nowMs: number): number {
    // A probe is under way and may be answered at any moment.
    if (this.#breaker.state === 'half-open') return 0;
    const untilNext = Math.max(0, this.#nextAt(nowMs) - nowMs);
    const perSecond = this.#rate.limit;
    return untilNext + (perSecond === null ? 0 : (this.#queue.ahead(agent) / perSecond) * 1_000);
  }
}
