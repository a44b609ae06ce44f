import { SECOND_MS } from '../time.ts';
import { Block } from './block.ts';
import type { Outgoing } from './block.ts';
import { Seconds } from './last-seconds.ts';
import type { Taken } from './last-seconds.ts';
import { Quota } from './quota.ts';
import { Ramp } from './ramp.ts';
import { RefusedRuns } from './refused-runs.ts';
import { Reopening } from './reopening.ts';
import { Rise } from './rise.ts';
import { Tokens } from './tokens.ts';
import { UsedUp } from './used-up-windows.ts';

/** The longest window that a limit is expected to count over: Hugging Face counts calls over five minutes. */
const WINDOW_MS = 300_000;
const SECONDS = WINDOW_MS / SECOND_MS;

/** Calls go out about 5 % faster than the limit, because otherwise a raised limit would never be noticed. */
const LEAD = 1.05;
/** Up to this share of refusals over AIM_SECONDS, single refusals do not change the limit. */
const AIM = 0.02;
const AIM_SECONDS = 60;
/** The limit falls to no less than this part at once, because something else may have cost much of a window. */
const MOST_FALL = 0.5;
/**
 * A continuously counted limit is measured over this many last calls, one counted in windows over the whole window.
 * Fewer calls show nothing, because other clients may have used up the limit.
 */
const RECENT_CALLS = 100;
/**
 * If so many calls were taken before a refusal, the pace is not its cause: at the limit one call in twenty is refused.
 */
const CLEAN_RUN = 60;
/** If everything is refused for longer than this, a window was used up. */
const LONG_MS = 5_000;
/** After this many refusals in a row everything counts as refused. */
const ROW = 3;
/** An asking call counts as taken if it is not refused within this time and this many times a usual refusal's time. */
const TAKEN_LEAST_MS = 500;
const TAKEN_LATENCIES = 3;
/** A stated limit within this share of the known one is not a new limit. */
const NEWS = 0.01;
/** The calls that may go out at once after a quiet moment: as many as the pace gives in this time. */
const BURST_MS = 2_000;
/**
 * The same before an upstream that counts in windows: what was not sent before may be sent at once, because the window has
 * room for it.
 */
const SAVED_MS = 200_000;

/** The part of a rate limit that is kept across restarts. */
export interface LearnedRate {
  /** Calls per second that the upstream takes; null: it has never refused any. */
  readonly perSecond: number | null;
}

/**
 * Learns how many calls per second an upstream takes and paces calls just above that. It learns from the calls that the
 * upstream takes and refuses (429). No call is held before the first refusals. The learned limit is the rate at which
 * calls were taken when the limit was reached: over five minutes if a window was used up, else over the latest calls.
 * More calls than a window holds at that rate, all without a refusal, show that the limit has risen. While everything
 * is refused, single calls ask whether calls are taken again.
 *
 * All times are clock ms. The caller passes them in, and they never go back.
 */
export class RateLimit {
  readonly #rampMs: number;
  readonly #seconds = new Seconds(SECONDS);
  #limit: number | null;
  /** Calls per second that are sent; null: no limit. */
  #pace: number | null;
  #paceAtMs = Number.NaN;
  readonly #quota = new Quota();
  readonly #tokens = new Tokens();
  #sequence = 0;
  readonly #runs = new RefusedRuns();
  /** Whether many calls were taken before the refusals that began the block. */
  #wasClean = false;
  #refusalMs = 0;
  /** Refusals of calls sent before this sequence number are ignored. */
  #askedFrom = 0;
  #blocked: Block | null = null;
  #sinceRefusal = 0;
  readonly #rise = new Rise(SECONDS);
  /** What was taken in the window that ended when the last asking call was refused: the window was used up until then. */
  #windowTaken: Taken | null = null;
  readonly #usedUp = new UsedUp();
  /** Whether the limit was learned from a used-up window, so that the upstream counts in windows. */
  #hasWindows = false;
  /** Begins after a restart or an outage. */
  readonly #ramp = new Ramp();
  readonly #reopening = new Reopening();

  /** `rampMs`: how long the pace takes to rise from a tenth of a known limit to all of it, in ten steps; 0: at once. */
  constructor(rampMs: number, learned: LearnedRate = { perSecond: null }) {
    this.#rampMs = rampMs;
    this.#limit = learned.perSecond;
    this.#rise.settle(learned.perSecond ?? 0);
    this.#pace = learned.perSecond === null ? null : learned.perSecond * LEAD;
  }

  /** Calls per second that the upstream takes, as far as is known; null if it has refused none. */
  get limit(): number | null {
    return this.#limit;
  }

  get learned(): LearnedRate {
    return { perSecond: this.#limit };
  }

  /** Whether everything is refused, so that only single calls ask. */
  get isBlocked(): boolean {
    return this.#blocked !== null;
  }

  /** Calls per second that are sent now; null: no limit. */
  paceAt(nowMs: number): number | null {
    return this.#quota.paceAt(nowMs) ?? this.#ownPaceAt(nowMs);
  }

  #ownPaceAt(nowMs: number): number | null {
    return this.#pace === null ? this.#reopening.paceAt(nowMs) : this.#pace * this.#ramp.shareAt(nowMs);
  }

  /** When a call that was not refused counts as taken, ms after it was sent. */
  get takenAfterMs(): number {
    return Math.max(TAKEN_LEAST_MS, TAKEN_LATENCIES * this.#refusalMs);
  }

  /** Another one that knows only the limit `perSecond`, at full pace. */
  fork(perSecond: number | null, nowMs: number): RateLimit {
    const other = new RateLimit(this.#rampMs, { perSecond });
    other.#advance(nowMs);
    other.#ramp.begin(nowMs, 0);
    return other;
  }

  /** Returns to a limit that was known before; null: none. */
  restore(perSecond: number | null, nowMs: number): void {
    this.#settle(perSecond ?? 0, nowMs);
    if (perSecond === null) this.#limit = this.#pace = null;
  }

  /** Restarts at a tenth of a known limit. Used after a restart and when an upstream recovers. */
  ramp(nowMs: number, spanMs = this.#rampMs): void {
    this.#ramp.begin(nowMs, spanMs);
    this.#tokens.drop();
  }

  /** When the next call may go out: `nowMs` or earlier if it may go at once. */
  nextAt(nowMs: number): number {
    this.#advance(nowMs);
    if (this.#blocked !== null) return this.#blocked.nextAt(this.takenAfterMs);
    const pace = this.paceAt(nowMs);
    if (pace === null) return nowMs;
    this.#refill(nowMs, pace);
    const atMs = this.#tokens.nextAt(pace);
    return this.#quota.untilMs <= nowMs ? atMs : Math.min(atMs, this.#quota.untilMs);
  }

  /** Sends a call; `nextAt` must have allowed it. `isWanted`: whether more calls are waiting. */
  send(nowMs: number, isWanted: boolean): Outgoing {
    this.#advance(nowMs);
    const call = { sequence: ++this.#sequence, atMs: nowMs };
    this.#blocked?.ask(call);
    const pace = this.paceAt(nowMs);
    if (pace !== null) {
      this.#refill(nowMs, pace);
      this.#tokens.take();
      if (isWanted) this.#grow(nowMs);
      else this.#paceAtMs = nowMs;
    }
    // Counts as taken until it is refused, because refusals come at once and answers after seconds.
    this.#seconds.taken(nowMs, 1);
    this.#sinceRefusal++;
    return call;
  }

  /**
   * The upstream refused a call. `retryAfterMs`: the wait that it asked for, null if none. A wait of more than five
   * minutes counts as five minutes, so that one call asks at least that often.
   */
  refused(call: Outgoing, nowMs: number, retryAfterMs: number | null): void {
    this.#advance(nowMs);
    const pauseMs = retryAfterMs === null ? null : Math.min(retryAfterMs, WINDOW_MS);
    this.#seconds.taken(call.atMs, -1);
    this.#seconds.refused(nowMs);
    this.#refusalMs += (nowMs - call.atMs - this.#refusalMs) / 8;
    if (this.#blocked !== null) {
      if (this.#blocked.isAsking(call)) this.#windowTaken = this.#seconds.takenInComplete(call.atMs);
      this.#blocked.refused(call, nowMs, pauseMs);
      return;
    }
    // This call was sent before the upstream took calls again, so its refusal shows nothing new.
    if (call.sequence < this.#askedFrom) return;
    const { length, cleanBefore } = this.#runs.add(call.sequence, CLEAN_RUN);
    this.#wasClean = cleanBefore >= CLEAN_RUN;
    this.#sinceRefusal = 0;
    if (pauseMs !== null || length >= ROW) this.#block(nowMs, pauseMs);
    else if (this.#seconds.shareRefused(AIM_SECONDS) > AIM) this.#learn(nowMs, false);
  }

  /** The upstream took a call: its answer has begun. */
  taken(call: Outgoing, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#blocked !== null && this.#blocked.isAsking(call)) this.#unblock(this.#blocked, nowMs);
  }

  /** The upstream states how many calls per second it takes. That becomes the limit. */
  limitStated(perSecond: number, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#limit === null || Math.abs(this.#limit / perSecond - 1) > NEWS) this.#settle(perSecond, nowMs);
  }

  /** The upstream states its quota: `left` calls until it is reset after `resetMs`. */
  quotaStated(left: number, resetMs: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#quota.state(left, Math.min(resetMs, WINDOW_MS), nowMs);
  }

  /** A sent call was neither taken nor refused (an outage, for example). It counts as neither. */
  cancelled(call: Outgoing): void {
    this.#seconds.taken(call.atMs, -1);
    this.#blocked?.cancelled(call);
  }

  #advance(nowMs: number): void {
    if (this.#seconds.advance(nowMs)) this.#begin(nowMs);
    const blocked = this.#blocked;
    if (blocked !== null && blocked.isTaken(nowMs, this.takenAfterMs)) this.#unblock(blocked, nowMs);
  }

  #begin(nowMs: number): void {
    this.#tokens.begin(nowMs);
    this.#paceAtMs = nowMs;
    if (this.#limit !== null) this.ramp(nowMs);
  }

  #block(nowMs: number, pauseMs: number | null): void {
    this.#blocked = new Block(nowMs, pauseMs);
    this.#windowTaken = null;
  }

  /** An asking call was taken. Calls go out again, and the limit may be learned from the calls that were taken. */
  #unblock({ sinceMs }: Block, nowMs: number): void {
    this.#blocked = null;
    this.#askedFrom = this.#sequence + 1;
    this.#runs.clear(this.#askedFrom);
    this.#sinceRefusal = 0;
    this.#tokens.begin(nowMs, true);
    this.#usedUp.lost(nowMs - sinceMs);
    const isLong = nowMs - sinceMs > LONG_MS;
    if (isLong || this.#limit === null || !this.#wasClean) this.#learn(nowMs, isLong);
    if (this.#limit === null) this.#reopening.begin(nowMs);
  }

  /** Sets the limit to the rate of calls taken: over the window if it was used up, else over the latest calls. */
  #learn(nowMs: number, isWindowUsedUp: boolean): void {
    if (isWindowUsedUp && !this.#usedUp.isLikely(nowMs)) return;
    // A pace that is still rising says nothing about what the upstream takes.
    if (!isWindowUsedUp && this.#ramp.shareAt(nowMs) < 1) return;
    const seconds = this.#seconds;
    const { taken, perSecond } = isWindowUsedUp
      ? (this.#windowTaken ?? seconds.takenInComplete(nowMs))
      : seconds.takenAtTheLimit(RECENT_CALLS, this.takenAfterMs);
    if (taken < RECENT_CALLS) return;
    const limit = Math.max(MOST_FALL * this.#rise.measured, perSecond);
    this.#hasWindows = isWindowUsedUp;
    this.#settle(isWindowUsedUp ? this.#usedUp.limit(this.#limit, limit, perSecond, nowMs) : limit, nowMs);
  }

  #settle(limit: number, nowMs: number): void {
    this.#limit = limit;
    this.#rise.settle(limit);
    this.#pace = limit * LEAD;
    this.#paceAtMs = nowMs;
  }

  #grow(nowMs: number): void {
    this.#seconds.wanted();
    const limit = this.#limit;
    if (limit === null) return;
    const spanMs = nowMs - this.#paceAtMs;
    const shown = { inAll: this.#seconds.takenInAll, sinceRefusal: this.#sinceRefusal, spanMs };
    this.#limit = this.#rise.next(limit, shown);
    this.#pace = this.#limit * LEAD;
    this.#paceAtMs = nowMs;
  }

  #refill(nowMs: number, pace: number): void {
    const savesUp = this.#hasWindows && this.#quota.paceAt(nowMs) === null;
    this.#tokens.refill(nowMs, pace, savesUp ? SAVED_MS : BURST_MS);
  }
}
