import { FairQueue } from '../../core/care/fair-queue.ts';
import type { Caller, Sent } from '../../core/care/rates.ts';
import type { Clock } from '../../core/clock.ts';
import type { Refusal } from './refusal.ts';

/** A call that asks for a permit. */
export interface Waiter extends Caller {
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
  readonly waiter: Waiter;
  readonly sent: Sent;
  readonly wasProbe: boolean;
}

/** What decides which waiter may go. */
export interface Gate {
  /** Whether no call can go, whoever makes it. */
  readonly isFull: boolean;
  /** Whether all waiters may go at the same time. */
  readonly isSameForAll: boolean;
  /** When the waiter may go, clock ms: `nowMs` or earlier if it may go now. */
  nextAt(waiter: Waiter, nowMs: number): number;
  /** Lets the waiter go. */
  grant(waiter: Waiter, nowMs: number): Permit;
}

/** The calls that wait for a permit, and the timer that admits them. Agents take turns. */
export class WaitingLine {
  readonly #gate: Gate;
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  readonly #queue: FairQueue<Waiter>;
  #timer: NodeJS.Timeout | null = null;
  #timerAtMs = 0;
  #isDraining = false;

  /** `most`: how many calls may wait at once. */
  constructor(most: number, gate: Gate, clock: Pick<Clock, 'now' | 'scale'>) {
    this.#queue = new FairQueue(most);
    this.#gate = gate;
    this.#clock = clock;
  }

  get size(): number {
    return this.#queue.size;
  }

  get agents(): number {
    return this.#queue.agents;
  }

  /** Whether the waiter may go now, past the calls that wait for something that does not concern it. */
  mayPass(waiter: Waiter, nowMs: number): boolean {
    const gate = this.#gate;
    if (gate.isFull || gate.nextAt(waiter, nowMs) > nowMs) return false;
    return this.#queue.size === 0 || (!gate.isSameForAll && this.ahead(waiter, nowMs) === 0);
  }

  /** How many calls at most go before the waiter, if it came now. */
  ahead(waiter: Waiter, nowMs: number): number {
    const gate = this.#gate;
    if (gate.isSameForAll) return this.#queue.ahead(waiter.agent);
    const atMs = gate.nextAt(waiter, nowMs);
    return this.#queue.ahead(waiter.agent, (other) => gate.nextAt(other, nowMs) <= atMs);
  }

  /** As `FairQueue.add`. */
  add(waiter: Waiter, isFirst: boolean): Waiter | null {
    const displaced = this.#queue.add(waiter.agent, waiter, isFirst);
    this.#arm();
    return displaced;
  }

  remove(waiter: Waiter): boolean {
    return this.#queue.remove(waiter.agent, waiter);
  }

  /** Removes the waiters whose deadline has passed, admits those that may go, and returns the removed ones. */
  sweep(): readonly Waiter[] {
    if (this.#queue.size === 0) return [];
    const nowMs = this.#clock.now();
    const late = this.#queue.items().filter(({ deadlineMs }) => nowMs >= deadlineMs);
    for (const waiter of late) this.remove(waiter);
    return late;
  }

  /** Admits the waiters that may go now. */
  drain(): void {
    // A waiter that is admitted may fail at once, and its release calls this function again.
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (;;) {
        const nowMs = this.#clock.now();
        const waiter = this.#gate.isFull ? undefined : this.#takeNext(nowMs);
        if (waiter === undefined) break;
        waiter.admit(this.#gate.grant(waiter, nowMs));
        if (waiter.canJoinBatch) this.#admitJoiners();
      }
    } finally {
      this.#isDraining = false;
    }
    this.#arm();
  }

  #takeNext(nowMs: number): Waiter | undefined {
    const gate = this.#gate;
    const { first } = this.#queue;
    if (first === undefined) return undefined;
    if (gate.nextAt(first, nowMs) <= nowMs) return this.#queue.take();
    return gate.isSameForAll ? undefined : this.#queue.take((waiter) => gate.nextAt(waiter, nowMs) <= nowMs);
  }

  /** Admits the waiters that can join the batch of the one that was just admitted. */
  #admitJoiners(): void {
    for (const waiter of this.#queue.items()) {
      if (waiter.canJoinBatch && this.remove(waiter)) waiter.admit(null);
    }
  }

  #arm(): void {
    const { first } = this.#queue;
    const gate = this.#gate;
    if (first === undefined || gate.isFull) return;
    const nowMs = this.#clock.now();
    const waiters = gate.isSameForAll ? [first] : this.#queue.items();
    const atMs = waiters.reduce(
      (least, waiter) => Math.min(least, gate.nextAt(waiter, nowMs)),
      Number.POSITIVE_INFINITY,
    );
    if (this.#timer !== null) {
      if (this.#timerAtMs <= atMs + 1) return;
      clearTimeout(this.#timer);
    }
    this.#timerAtMs = atMs;
    const waitMs = Math.max(1, (atMs - nowMs) / this.#clock.scale);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.drain();
    }, waitMs).unref();
  }
}
