import { SECOND_MS } from '../time.ts';
import { Seconds } from './last-seconds.ts';
import { UsedUp } from './used-up-windows.ts';

/** The longest window that a limit is expected to count over: Hugging Face counts calls over five minutes. */
const WINDOW_MS = 300_000;
const SECONDS = WINDOW_MS / SECOND_MS;

/** Calls go out a little faster than the limit: what is never asked for is never granted. Costs about as many refusals. */
const LEAD = 1.05;
/** So much more than a window's worth, without a refusal, shows that the limit has risen; the pace then doubles in this time. */
const SHOWN = 1.01;
const DOUBLING_MS = 5_000;
/** Below this share of refusals over a minute there is nothing to learn. */
const AIM = 0.02;
const AIM_SECONDS = 60;
/** A window of which much was lost to something else says little of the limit: it falls to no less than half at once. */
const MOST_FALL = 0.5;
/** And what no refusal contradicts lets it rise to twice as much at once. */
const MOST_RISE = 2;
/**
 * A limit that is counted continuously shows in the last so many calls; one that is counted in windows, in all of them. Of
 * fewer nothing is learned: somebody else may have used up what there was.
 */
const RECENT_CALLS = 100;
/** Just above a limit that is counted continuously one of twenty is refused: after so many in a row it was not the pace. */
const CLEAN_RUN = 60;
/** Refused for longer than this: a window was used up. */
const LONG_MS = 5_000;
/** Refusals in a row, none taken between them, that say that nothing is taken any more. */
const ROW = 3;
/** While nothing is taken, one call at a time asks, at first after a second, later every five. */
const ASK_FIRST_MS = 1_000;
const ASK_MOST_MS = 5_000;
/** A call that asked and was not refused for so long was taken. */
const TAKEN_LEAST_MS = 500;
const TAKEN_LATENCIES = 3;
/** A limit that is told again is the same within this. */
const NEWS = 0.01;
/** What may go out at once after a quiet moment, in time at the pace. */
const BURST_MS = 2_000;
const STEPS = 10;
/** A quota that was told is spent no faster than so that it would last for this long: a crowd goes out, and some stays. */
const SPEND_MS = 30_000;

/** What is kept of a rate limit across restarts. */
export interface LearnedRate {
  /** Calls per second that the upstream takes; null: it has never refused any. */
  readonly perSecond: number | null;
}

/** A call that was let out. */
export interface Outgoing {
  readonly sequence: number;
  readonly atMs: number;
}

/**
 * Learns how many calls an upstream takes, from which it takes and which it refuses (429), and paces calls just above
 * that. Nothing is held back before the first refusals. The limit is what was taken over the last five minutes when it
 * was reached, whether the upstream counts in windows or continuously; more than a window's worth without a refusal
 * shows that it has risen. While everything is refused only single calls ask whether that is over.
 *
 * All times are clock ms, handed in and never going back.
 */
export class RateLimit {
  readonly #rampMs: number;
  readonly #seconds = new Seconds(SECONDS);
  #limit: number | null;
  /** Calls per second that are let out; null: all. */
  #pace: number | null;
  #paceAtMs = Number.NaN;
  /** What the upstream said of its quota; null where it says nothing, as is usual. */
  #told: { readonly perSecond: number; readonly untilMs: number } | null = null;
  #tokens = 1;
  #tokensAtMs = Number.NaN;
  #sequence = 0;
  #lastRefused = -1;
  #row = 0;
  /** Calls taken before the refusals that came last. */
  #run = 0;
  #refusalMs = 0;
  #askedFrom = 0;
  #blockedAtMs = 0;
  #blocked: { nextAtMs: number; pauseMs: number; asking: Outgoing | null } | null = null;
  /** Calls taken since the last refusal, how many of them show that the limit has risen, and from where it then rises. */
  #sinceRefusal = 0;
  #enough: number;
  #measured: number;
  readonly #usedUp = new UsedUp();
  /** Since when the pace rises to its old height, after a restart or an outage; null otherwise. */
  #ramp: { readonly fromMs: number; readonly spanMs: number } | null = null;

  /** `rampMs`: how long the way from a tenth of a known limit to all of it takes, in ten steps; 0: at once. */
  constructor(rampMs: number, learned: LearnedRate = { perSecond: null }) {
    this.#rampMs = rampMs;
    this.#limit = learned.perSecond;
    this.#measured = learned.perSecond ?? 0;
    this.#enough = SHOWN * SECONDS * this.#measured;
    this.#pace = learned.perSecond === null ? null : learned.perSecond * LEAD;
  }

  /** Calls per second that the upstream is thought to take; null where it has refused none. */
  get limit(): number | null {
    return this.#limit;
  }

  get learned(): LearnedRate {
    return { perSecond: this.#limit };
  }

  /** Whether everything was refused lately, so that single calls ask. */
  get isBlocked(): boolean {
    return this.#blocked !== null;
  }

  /** Calls per second that are let out now; null: all. */
  paceAt(nowMs: number): number | null {
    if (this.#told !== null && nowMs < this.#told.untilMs) return this.#told.perSecond;
    return this.#ownPaceAt(nowMs);
  }

  #ownPaceAt(nowMs: number): number | null {
    if (this.#pace === null || this.#ramp === null || this.#ramp.spanMs <= 0) return this.#pace;
    const step = 1 + Math.floor((STEPS * (nowMs - this.#ramp.fromMs)) / this.#ramp.spanMs);
    return step >= STEPS ? this.#pace : (this.#pace * Math.max(1, step)) / STEPS;
  }

  /** Begins again from a tenth of a known limit, as after a restart or when an upstream comes back. */
  ramp(nowMs: number, spanMs = this.#rampMs): void {
    this.#ramp = { fromMs: nowMs, spanMs };
    this.#tokens = Math.min(this.#tokens, 1);
  }

  /** When the next call may go out: `nowMs` or earlier where it may at once. */
  nextAt(nowMs: number): number {
    this.#advance(nowMs);
    if (this.#blocked !== null) {
      const { asking, nextAtMs } = this.#blocked;
      return asking === null ? nextAtMs : asking.atMs + this.#takenAfterMs();
    }
    const pace = this.paceAt(nowMs);
    if (pace === null) return nowMs;
    this.#refill(nowMs, pace);
    if (this.#tokens >= 1) return nowMs;
    const atMs = nowMs + ((1 - this.#tokens) / pace) * SECOND_MS;
    return this.#told === null || this.#told.untilMs <= nowMs ? atMs : Math.min(atMs, this.#told.untilMs);
  }

  /** Lets a call out; `nextAt` must have said that it may go. `isWanted`: whether more are waiting. */
  send(nowMs: number, isWanted: boolean): Outgoing {
    this.#advance(nowMs);
    const call = { sequence: ++this.#sequence, atMs: nowMs };
    if (this.#blocked !== null) this.#blocked.asking = call;
    const pace = this.paceAt(nowMs);
    if (pace !== null) {
      this.#refill(nowMs, pace);
      this.#tokens--;
      if (isWanted) this.#grow(nowMs);
      else this.#paceAtMs = nowMs;
    }
    // Taken, until it is known to be refused: refusals come at once, answers after seconds.
    this.#seconds.taken(nowMs, 1);
    this.#sinceRefusal++;
    return call;
  }

  /**
   * The upstream refused a call; `retryAfterMs`: what it said, null where nothing. However long that is, one call asks
   * once in five minutes.
   */
  refused(call: Outgoing, nowMs: number, retryAfterMs: number | null): void {
    this.#advance(nowMs);
    const pauseMs = retryAfterMs === null ? null : Math.min(retryAfterMs, WINDOW_MS);
    this.#seconds.taken(call.atMs, -1);
    this.#seconds.refused(nowMs);
    this.#refusalMs += (nowMs - call.atMs - this.#refusalMs) / 8;
    if (this.#blocked !== null) {
      this.#askAgain(call, nowMs, pauseMs);
      return;
    }
    // Sent before it was asked whether the upstream takes calls again: known already.
    if (call.sequence < this.#askedFrom) return;
    this.#row = call.sequence === this.#lastRefused + 1 ? this.#row + 1 : 1;
    if (this.#row === 1) this.#run = this.#sinceRefusal;
    this.#lastRefused = Math.max(this.#lastRefused, call.sequence);
    this.#sinceRefusal = 0;
    if (pauseMs !== null || this.#row >= ROW) {
      this.#blocked = { nextAtMs: nowMs + (pauseMs ?? ASK_FIRST_MS), pauseMs: ASK_FIRST_MS, asking: null };
      this.#blockedAtMs = nowMs;
    } else if (this.#seconds.shareRefused(AIM_SECONDS) > AIM) this.#learn(nowMs, false);
  }

  /** The upstream took a call, as its answer says. */
  taken(call: Outgoing, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#blocked?.asking?.sequence === call.sequence) this.#unblock(nowMs);
  }

  /** The upstream says how many calls a second it takes: there is nothing to learn. */
  toldLimit(perSecond: number, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#limit === null || Math.abs(this.#limit / perSecond - 1) > NEWS) this.#settle(perSecond, nowMs);
  }

  /** What the upstream says of its quota: so many calls are left for so long. */
  told(left: number, resetMs: number, nowMs: number): void {
    this.#advance(nowMs);
    const untilMs = nowMs + Math.min(resetMs, WINDOW_MS);
    this.#told = resetMs <= 0 ? null : { perSecond: (left / Math.min(resetMs, SPEND_MS)) * SECOND_MS, untilMs };
  }

  /** It went out, and something else came of it (an outage, say): it counts neither way. */
  cancelled(call: Outgoing): void {
    this.#seconds.taken(call.atMs, -1);
    if (this.#blocked?.asking?.sequence === call.sequence) this.#blocked.asking = null;
  }

  #askAgain(call: Outgoing, nowMs: number, retryAfterMs: number | null): void {
    const blocked = this.#blocked as { nextAtMs: number; pauseMs: number; asking: Outgoing | null };
    if (blocked.asking?.sequence === call.sequence) {
      blocked.asking = null;
      blocked.pauseMs = Math.min(ASK_MOST_MS, 2 * blocked.pauseMs);
      blocked.nextAtMs = nowMs + blocked.pauseMs;
    }
    if (retryAfterMs !== null) blocked.nextAtMs = Math.max(blocked.nextAtMs, nowMs + retryAfterMs);
  }

  #advance(nowMs: number): void {
    if (this.#seconds.advance(nowMs)) this.#begin(nowMs);
    const asking = this.#blocked?.asking;
    if (asking != null && nowMs - asking.atMs >= this.#takenAfterMs()) this.#unblock(nowMs);
  }

  #begin(nowMs: number): void {
    this.#tokensAtMs = nowMs;
    this.#paceAtMs = nowMs;
    if (this.#limit !== null) this.ramp(nowMs);
  }

  #takenAfterMs(): number {
    return Math.max(TAKEN_LEAST_MS, TAKEN_LATENCIES * this.#refusalMs);
  }

  /** A call that asked was taken: what was taken over the window is the limit. */
  #unblock(nowMs: number): void {
    this.#blocked = null;
    this.#row = 0;
    this.#askedFrom = this.#sequence + 1;
    this.#lastRefused = this.#sequence;
    this.#sinceRefusal = 0;
    this.#tokens = 1;
    this.#tokensAtMs = nowMs;
    this.#usedUp.lost(nowMs - this.#blockedAtMs);
    const isLong = nowMs - this.#blockedAtMs > LONG_MS;
    if (isLong || this.#limit === null || this.#run < CLEAN_RUN) this.#learn(nowMs, isLong);
  }

  /** What was taken over the window, or of late, is the limit. */
  #learn(nowMs: number, isWindowUsedUp: boolean): void {
    if (isWindowUsedUp && !this.#usedUp.isLikely(nowMs)) return;
    const { taken, perSecond } = this.#seconds.takenIn(nowMs, isWindowUsedUp ? Number.POSITIVE_INFINITY : RECENT_CALLS);
    if (taken < RECENT_CALLS) return;
    const limit = Math.max(MOST_FALL * this.#measured, perSecond);
    this.#settle(isWindowUsedUp ? this.#usedUp.limit(this.#limit, limit, perSecond, nowMs) : limit, nowMs);
  }

  #settle(limit: number, nowMs: number): void {
    this.#limit = limit;
    this.#measured = limit;
    this.#enough = SHOWN * SECONDS * limit;
    this.#pace = limit * LEAD;
    this.#paceAtMs = nowMs;
  }

  #grow(nowMs: number): void {
    const [limit, pace] = [this.#limit, this.#pace];
    if (limit === null || pace === null) return;
    if (this.#sinceRefusal > this.#enough) {
      const most = MOST_RISE * this.#measured;
      this.#limit = Math.min(most, limit * 2 ** ((nowMs - this.#paceAtMs) / DOUBLING_MS));
      this.#pace = this.#limit * LEAD;
      if (this.#limit === most && this.#sinceRefusal > MOST_RISE * this.#enough) this.#settle(most, nowMs);
    }
    this.#paceAtMs = nowMs;
  }

  #refill(nowMs: number, pace: number): void {
    const most = Math.max(1, (pace * BURST_MS) / SECOND_MS);
    this.#tokens = Math.min(most, this.#tokens + (pace * (nowMs - this.#tokensAtMs)) / SECOND_MS);
    this.#tokensAtMs = nowMs;
  }
}
