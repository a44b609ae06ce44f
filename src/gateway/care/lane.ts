import type { Outcome } from '../../core/outcome.ts';
import { Breaker } from '../../core/care/breaker.ts';
import type { Ended } from '../../core/care/breaker.ts';
import { Crowding } from '../../core/care/crowding.ts';
import { InFlightLimit } from '../../core/care/in-flight.ts';
import type { LaneCounts, LaneStatus, LearnedLane } from '../../core/care/lane-status.ts';
import { ProviderTally } from '../../core/care/providers.ts';
import { Recovery } from '../../core/care/recovery.ts';
import { Rates } from '../../core/care/rates.ts';
import { RecentRefusals } from '../../core/care/recent-refusals.ts';
import { RetryAllowance } from '../../core/care/retry.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import type { Refusal } from './refusal.ts';
import { WaitingLine } from './waiting-line.ts';
import type { Gate, Permit, Waiter } from './waiting-line.ts';

/** What the breaker asks about an attempt that was a fault. */
export type Fault = Pick<Ended, 'bodyOf' | 'isUnreachable'>;

/** Of an attempt that was none. */
export const NO_FAULT: Fault = { bodyOf: () => null, isUnreachable: false };

const WINDOW_MS = 300_000;
const LEAST_RETRY_AFTER_MS = 1_000;
/** After so many calls in a row that a listed provider cannot serve, it gets none for `LEFT_OUT_MS` (clock ms). */
const UNABLE_IN_A_ROW = 3;
const LEFT_OUT_MS = 600_000;

/**
 * The calls to serverless for one model by one provider: decides which are sent now, which wait and which are refused.
 */
export class Lane implements Gate {
  readonly retryAllowance = new RetryAllowance(WINDOW_MS);
  readonly counts: LaneCounts = { sent: 0, refusedByUpstream: 0, refusedHere: 0, held: 0, noCredits: 0 };
  readonly #providers = new ProviderTally();
  readonly #refusals = new RecentRefusals();
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  #policy: CarePolicy;
  readonly #rates: Rates;
  readonly #inFlight: InFlightLimit;
  readonly #line: WaitingLine;
  readonly #breaker: Breaker;
  readonly #crowding = new Crowding();
  readonly #recovery = new Recovery();
  #beforeOutage = 0;
  readonly #now = (): number => this.#clock.now();
  #noCreditsAtMs: number | null = null;
  #unableInARow = 0;
  #leftOutUntilMs = Number.NEGATIVE_INFINITY;

  constructor(policy: CarePolicy, clock: Pick<Clock, 'now' | 'scale'>, learned: LearnedLane | null) {
    this.#policy = policy;
    this.#clock = clock;
    this.#rates = new Rates(policy.ramp, learned?.rate);
    this.#inFlight = new InFlightLimit(learned?.inFlight);
    this.#line = new WaitingLine(policy.queue, this, clock);
    this.#breaker = new Breaker(learned?.breaker);
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
    if (this.#line.mayPass(waiter, nowMs)) return this.grant(waiter, nowMs);
    const waitMs = this.#expectedWaitMs(waiter, nowMs);
    if (nowMs + waitMs > waiter.deadlineMs) return this.#refusal(this.#refusalKind(waiter), waitMs);
    const displaced = this.#line.add(waiter, isRetry);
    if (displaced === waiter) return this.#refusal('queue_full', waitMs);
    if (displaced !== null) displaced.refuse(this.#refusal('queue_full', waitMs));
    this.counts.held++;
    return null;
  }

  /** A permit for a call that is sent in any case. */
  grantInAnyCase(waiter: Waiter): Permit {
    return this.grant(waiter, this.#clock.now());
  }

  /** How long the waiter would wait, clock ms: 0 if a permit is free now, infinite if that is not known. */
  waitMs(waiter: Waiter): number {
    const nowMs = this.#clock.now();
    if (nowMs < this.#leftOutUntilMs) return Number.POSITIVE_INFINITY;
    if (this.#line.mayPass(waiter, nowMs)) return 0;
    return this.#breaker.stops(waiter.agent)
      ? Number.POSITIVE_INFINITY
      : Math.max(1, this.#expectedWaitMs(waiter, nowMs));
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
    this.#line.remove(waiter);
  }

  /**
   * Gives a permit back: the attempt has ended, or its error status is known. `retryAfterMs`: as the upstream asks.
   * `fault`: needed if `outcome` is a fault.
   */
  release(permit: Permit, outcome: Outcome, retryAfterMs: number | null, fault = NO_FAULT): void {
    const { sent, waiter } = permit;
    const nowMs = this.#clock.now();
    const isWanted = this.#line.size > 0;
    this.#inFlight.inFlight--;
    this.#refusals.ended(nowMs, outcome === 'rate_limited');
    if (outcome === 'rate_limited') {
      this.counts.refusedByUpstream++;
      this.#rates.refused(sent, nowMs, retryAfterMs);
    } else if (outcome === 'unavailable' || outcome === 'connect_failed') {
      this.#rates.cancelled(sent);
      const isCrowd = outcome === 'unavailable' && this.#crowding.refused(waiter.agent, nowMs);
      if (isCrowd) this.#inFlight.overloaded(this.#inFlight.inFlight, nowMs);
    } else if (outcome === 'no_credits' || outcome === 'unauthorized') {
      this.#rates.denied(sent, nowMs);
      if (outcome === 'no_credits') this.#noteNoCredits(nowMs);
    } else if (outcome === 'ok') {
      this.#crowding.answered(waiter.agent, nowMs);
      this.#inFlight.answered(isWanted);
    }
    this.#noteOutcome(outcome, permit, fault, nowMs);
  }

  #noteNoCredits(nowMs: number): void {
    this.counts.noCredits++;
    this.#noCreditsAtMs = nowMs;
  }

  #noteOutcome(outcome: Outcome, { waiter, wasProbe }: Permit, fault: Fault, nowMs: number): void {
    const policy = this.#policy;
    const { bodyOf, isUnreachable } = fault;
    const ended = { outcome, wasProbe, agent: waiter.agent, bodyOf, isUnreachable, nowMs };
    const wasOut = this.#stopsAll;
    const isBack = this.#breaker.ended(policy.breaker, ended);
    if (!wasOut && this.#stopsAll) this.#noteOutage(nowMs);
    if (isBack) this.#recover(nowMs);
    this.#line.drain();
  }

  /** The traffic returns as fast as it is answered. What was saved up for a window is gone. */
  #recover(nowMs: number): void {
    this.#rates.ramp(nowMs, 0);
    this.#recovery.begin(this.#beforeOutage, nowMs + this.#policy.ramp);
  }

  /** Notes how many calls were under way. An outage that begins in the middle of a recovery is the same one. */
  #noteOutage(nowMs: number): void {
    const before = this.#recovery.isOver(nowMs) ? 0 : this.#beforeOutage;
    this.#beforeOutage = Math.max(before, this.#inFlight.inFlight + 1);
  }

  get #stopsAll(): boolean {
    return this.#breaker.state.state !== 'closed' && this.#breaker.isSameForAll;
  }

  /** Whether serverless is out, or has just come back so that calls still wait for that reason. */
  get isOut(): boolean {
    return this.#stopsAll || !this.#recovery.isOver(this.#clock.now());
  }

  /** Whether a call of the agent would wait now because the upstream is out. It does not if it may be a probe. */
  turnsAway(agent: string): boolean {
    if (!this.isOut) return false;
    if (this.#line.size > 0 || this.isFull) return true;
    return !this.#breaker.admits(agent, this.#policy.breaker, this.#clock.now()).ok;
  }

  /** A successful answer has begun. That ends a probe: it has shown that the upstream answers. */
  answerBegan(permit: Permit): void {
    const nowMs = this.#clock.now();
    this.#rates.taken(permit.sent, nowMs);
    this.#recovery.answered();
    if (permit.wasProbe) this.#noteOutcome('ok', permit, NO_FAULT, nowMs);
    else if (this.#line.size > 0) this.#line.drain();
  }

  /** The upstream states how many calls per second it accepts. */
  limitStated({ sent }: Permit, perSecond: number): void {
    sent.rate.limitStated(perSecond, this.#clock.now());
  }

  /** The upstream states in a successful answer how many calls are left until its quota is reset. */
  quotaStated({ sent }: Permit, left: number, resetMs: number): void {
    sent.rate.quotaStated(left, resetMs, this.#clock.now());
  }

  /** Refuses the waiters whose deadline has passed, and admits those that it can. */
  sweep(): void {
    if (this.#line.size === 0) return;
    const nowMs = this.#clock.now();
    for (const waiter of this.#line.sweep()) {
      waiter.refuse(this.#refusal(this.#refusalKind(waiter), this.#expectedWaitMs(waiter, nowMs)));
    }
    this.#line.drain();
  }

  /** The share of its calls that the upstream refused in the last minute, 0..1. */
  get refusedLately(): number {
    return this.#refusals.shareAt(this.#clock.now());
  }

  get learned(): LearnedLane {
    return { rate: this.#rates.shared.learned, inFlight: this.#inFlight.learned, breaker: this.#breaker.learned };
  }

  get status(): LaneStatus {
    const { perSecond } = this.#rates.shared.learned;
    return {
      limit: perSecond === null ? null : Math.round((perSecond * WINDOW_MS) / 1_000),
      isBlocked: this.#rates.shared.isBlocked,
      isOut: this.isOut,
      faultsInRow: this.#breaker.faultsInRow,
      inFlight: this.#inFlight.inFlight,
      inFlightLimit: this.#inFlight.learned.most,
      waiting: this.#line.size,
      waitingAgents: this.#line.agents,
      breaker: this.#breaker.state,
      retryShare: this.retryAllowance.shareAt(this.#clock.now()),
      noCreditsAt: this.#noCreditsAtMs,
      counts: { ...this.counts },
      providers: this.#providers.counts,
    };
  }

  // --- what its line asks ---

  get isFull(): boolean {
    return !this.#inFlight.hasRoom || !this.#recovery.hasRoom(this.#inFlight.inFlight, this.#now);
  }

  get isSameForAll(): boolean {
    return this.#breaker.isSameForAll && this.#rates.isSameForAll;
  }

  nextAt(waiter: Waiter, nowMs: number): number {
    const { ok, askAt } = this.#breaker.admits(waiter.agent, this.#policy.breaker, nowMs);
    // No further probe is allowed: only the end of one can change that.
    if (!ok) return Math.max(askAt, nowMs + 1);
    return this.#rates.nextAt(waiter, nowMs);
  }

  grant(waiter: Waiter, nowMs: number): Permit {
    const wasProbe = this.#breaker.sent(waiter.agent, nowMs);
    this.#inFlight.inFlight++;
    this.counts.sent++;
    return { waiter, sent: this.#rates.send(waiter, nowMs, this.#line.size > 0), wasProbe };
  }

  #refusalKind({ agent }: Waiter): Refusal['kind'] {
    return this.#breaker.stops(agent) ? 'circuit_open' : 'over_limit';
  }

  #refusal(kind: Refusal['kind'], waitMs: number): Refusal {
    this.counts.refusedHere++;
    return { kind, retryAfterMs: Math.max(LEAST_RETRY_AFTER_MS, waitMs) };
  }

  /** How long the waiter would wait if it came now, clock ms. */
  #expectedWaitMs(waiter: Waiter, nowMs: number): number {
    // A probe is under way and may be answered at any moment.
    if (this.#breaker.stops(waiter.agent) && this.#breaker.state.state === 'half-open') return 0;
    const untilNext = Math.max(0, this.nextAt(waiter, nowMs) - nowMs);
    const perSecond = this.#rates.limitOf(waiter);
    return untilNext + (perSecond === null ? 0 : (this.#line.ahead(waiter, nowMs) / perSecond) * 1_000);
  }
}
