import type { Outgoing } from './block.ts';
import { RateLimit } from './rate-limit.ts';
import type { LearnedRate } from './rate-limit.ts';

/** Whoever asks. Its credential is asked for only if it matters, because hashing costs time. */
export interface Caller {
  /** What stands for the credential that goes to the upstream. */
  readonly credential: string;
}

/** A call that was sent, and the rate that it counts for. */
export interface Sent {
  readonly caller: Caller;
  readonly rate: RateLimit;
  readonly outgoing: Outgoing;
}

/** A credential's own rate. */
interface Apart {
  readonly rate: RateLimit;
  /** The last time it was refused, clock ms. */
  refusedAtMs: number;
  /** Whether the upstream does not accept it at all. */
  readonly isDenied: boolean;
}

/** Refusals of one credential in a row, and what became of the calls of others that were sent after the first. */
interface Row {
  readonly sinceMs: number;
  refusals: number;
  othersTaken: number;
  othersRefused: number;
  /** The common limit before them. */
  readonly limitBefore: number | null;
}

/** While everything is refused, a credential that was not refused may ask. */
interface Asking {
  /** The credentials that were refused. */
  readonly refused: Set<string>;
  readonly limitBefore: number | null;
  nextAtMs: number;
  pauseMs: number;
  sent: Sent | null;
}

const MOST = 1_000;
const MOST_ROWS = 100;
/** A credential without a refusal in this time is treated like the others again. */
const GOOD_MS = 300_000;
/** So many refusals in a row of one credential, while others are served, concern this credential alone. */
const ROW = 4;
/** Others are served if at least this many of their calls were taken, and at most this share of them was refused. */
const SERVED = 10;
const SERVED_WELL = 0.1;
/** A block is noted as that of the credentials that were refused last. */
const LAST = 3;
/** If a second credential is refused too, a further one asks after this, and later ones after twice as long each. */
const ASK_MS = 5_000;

/**
 * The rates of an upstream's calls by credential. All share one, because the tokens of one account share its limit. A
 * credential that is refused while others are served gets a rate of its own, so that it neither slows the others nor is
 * slowed by them. While everything is refused, one call of a credential that was not refused may ask: if it is taken, the
 * refusals concern the others alone. Hashes of credentials stay in memory, and there are at most 1,000. Times: clock ms.
 */
export class Rates {
  readonly #rampMs: number;
  #shared: RateLimit;
  readonly #apart = new Map<string, Apart>();
  readonly #rows = new Map<string, Row>();
  #asking: Asking | null = null;
  /** The credentials of the last refusals. */
  #last: string[] = [];

  /** `rampMs`: as for RateLimit. */
  constructor(rampMs: number, learned?: LearnedRate) {
    this.#rampMs = rampMs;
    this.#shared = new RateLimit(rampMs, learned);
  }

  /** The rate that credentials share. */
  get shared(): Pick<RateLimit, 'limit' | 'learned' | 'isBlocked'> {
    return this.#shared;
  }

  /** Whether all callers may go at the same time. */
  get isSameForAll(): boolean {
    return this.#apart.size === 0 && this.#asking === null;
  }

  /** Calls per second that the caller's credential may make, as far as is known. */
  limitOf(caller: Caller): number | null {
    return this.#rateOf(caller).limit;
  }

  ramp(nowMs: number, spanMs: number): void {
    this.#shared.ramp(nowMs, spanMs);
  }

  /** When the caller may go: `nowMs` or earlier if it may go at once. */
  nextAt(caller: Caller, nowMs: number): number {
    const rate = this.#rateOf(caller);
    const atMs = rate.nextAt(nowMs);
    const asking = this.#asking;
    if (asking === null || rate !== this.#shared) return atMs;
    if (!rate.isBlocked) this.#asking = null;
    if (!rate.isBlocked || !mayAsk(asking, caller, atMs - nowMs)) return atMs;
    const { sent } = asking;
    const askAtMs = sent === null ? asking.nextAtMs : sent.outgoing.atMs + rate.takenAfterMs;
    if (sent === null || nowMs < askAtMs) return Math.min(atMs, askAtMs);
    this.#part(asking, nowMs);
    return this.#shared.nextAt(nowMs);
  }

  /** Sends a call; `nextAt` must have allowed it. `isWanted`: whether more calls are waiting. */
  send(caller: Caller, nowMs: number, isWanted: boolean): Sent {
    const rate = this.#rateOf(caller);
    const asking = this.#asking;
    const isOwnTurn = asking === null || rate !== this.#shared || asking.sent !== null;
    if (isOwnTurn || !mayAsk(asking, caller, rate.nextAt(nowMs) - nowMs))
      return { caller, rate, outgoing: rate.send(nowMs, isWanted) };
    const other = rate.fork(asking.limitBefore, nowMs);
    asking.sent = { caller, rate: other, outgoing: other.send(nowMs, false) };
    return asking.sent;
  }

  /** The upstream refused a call. `retryAfterMs`: the wait that it asked for, null if none. */
  refused(sent: Sent, nowMs: number, retryAfterMs: number | null): void {
    const { caller, rate, outgoing } = sent;
    const { credential } = caller;
    const asking = this.#asking;
    if (asking !== null && asking.sent === sent) {
      asking.refused.add(credential);
      asking.sent = null;
      asking.nextAtMs = nowMs + asking.pauseMs;
      asking.pauseMs *= 2;
      return;
    }
    const limitBefore = this.#shared.limit;
    rate.refused(outgoing, nowMs, retryAfterMs);
    const apart = this.#apart.get(credential);
    if (apart !== undefined) apart.refusedAtMs = nowMs;
    else if (rate === this.#shared)
      this.#noteShared(credential, { limitBefore, nowMs, isAlone: retryAfterMs !== null });
  }

  /** The upstream took a call: its answer has begun. */
  taken(sent: Sent, nowMs: number): void {
    sent.rate.taken(sent.outgoing, nowMs);
    if (this.#asking?.sent === sent) this.#part(this.#asking, nowMs);
    if (this.#rows.size > 0) this.#rows.delete(sent.caller.credential);
    // Answers to calls that were sent before say nothing: they come seconds after the refusals.
    for (const row of this.#rows.values()) if (sent.outgoing.atMs > row.sinceMs) row.othersTaken++;
    if (this.#apart.size === 0) return;
    const { credential } = sent.caller;
    const apart = this.#apart.get(credential);
    if (apart !== undefined && (apart.isDenied || nowMs - apart.refusedAtMs > GOOD_MS)) this.#apart.delete(credential);
  }

  /** A sent call was neither taken nor refused. It counts as neither. */
  cancelled(sent: Sent): void {
    sent.rate.cancelled(sent.outgoing);
    if (this.#asking?.sent === sent) this.#asking.sent = null;
  }

  /** The upstream did not accept the credential (401, 402, 403): its calls use none of what the others may use. */
  denied(sent: Sent, nowMs: number): void {
    this.cancelled(sent);
    const { credential } = sent.caller;
    if (!this.#apart.has(credential)) this.#setApart(credential, new RateLimit(this.#rampMs), nowMs, true);
  }

  #rateOf(caller: Caller): RateLimit {
    return this.#apart.size === 0 ? this.#shared : (this.#apart.get(caller.credential)?.rate ?? this.#shared);
  }

  #noteShared(credential: string, about: { limitBefore: number | null; nowMs: number; isAlone: boolean }): void {
    const { limitBefore, nowMs, isAlone } = about;
    this.#last = [...this.#last, credential].slice(-LAST);
    const fresh = { sinceMs: nowMs, refusals: 0, othersTaken: 0, othersRefused: 0, limitBefore };
    for (const row of this.#rows.values()) row.othersRefused++;
    const row = this.#rows.get(credential) ?? fresh;
    if (row !== fresh) row.othersRefused--;
    row.refusals++;
    this.#rows.set(credential, row);
    dropOldest(this.#rows, MOST_ROWS);
    if (row.refusals >= ROW && othersAreServed(row)) {
      this.#rows.delete(credential);
      this.#separate(credential, row, nowMs);
    } else if (this.#asking !== null) this.#asking.refused.add(credential);
    else if (this.#shared.isBlocked) {
      const refused = new Set(isAlone ? [credential] : this.#last);
      this.#asking = { refused, limitBefore: row.limitBefore, nextAtMs: nowMs, pauseMs: ASK_MS, sent: null };
    }
  }

  /** Gives a credential a rate of its own. The others get back the limit that they had before its refusals. */
  #separate(credential: string, { limitBefore }: Row, nowMs: number): void {
    const shared = this.#shared;
    this.#setApart(credential, shared.isBlocked ? shared : shared.fork(null, nowMs), nowMs);
    if (shared.isBlocked) this.#shared = shared.fork(limitBefore, nowMs);
    else if (shared.limit !== limitBefore) shared.restore(limitBefore, nowMs);
    this.#asking = null;
    this.#last = [];
  }

  /** A call that asked was taken: the refused credentials keep the blocked rate, and the others get another. */
  #part({ refused, sent }: Asking, nowMs: number): void {
    for (const credential of refused) this.#setApart(credential, this.#shared, nowMs);
    if (sent !== null) this.#shared = sent.rate;
    this.#asking = null;
    this.#last = [];
  }

  #setApart(credential: string, rate: RateLimit, refusedAtMs: number, isDenied = false): void {
    this.#apart.delete(credential);
    this.#apart.set(credential, { rate, refusedAtMs, isDenied });
    dropOldest(this.#apart, MOST);
  }
}

function othersAreServed({ othersTaken, othersRefused }: Row): boolean {
  return othersTaken >= SERVED && othersRefused <= SERVED_WELL * othersTaken;
}

/**
 * Whether a caller may ask past the calls of the refused credentials. `waitMs`: until any call may ask. If several were
 * refused and any call may ask soon, that is enough.
 */
function mayAsk({ refused }: Asking, { credential }: Caller, waitMs: number): boolean {
  return !refused.has(credential) && (refused.size === 1 || waitMs > ASK_MS);
}

// A Map keeps the order of insertion.
function dropOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
