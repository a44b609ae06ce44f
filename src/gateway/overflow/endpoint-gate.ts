import { FairQueue } from '../../core/care/fair-queue.ts';
import { EndpointLoad } from '../../core/overflow/endpoint-load.ts';
import type { EndpointCapacity } from '../../core/overflow/endpoint-load.ts';
import type { EndpointLoadStatus } from '../../core/overflow/load-status.ts';

/** Real ms, as the gateway counts them: it stands still while the process is blocked. */
export interface CoarseClock {
  readonly nowMs: number;
}

/** A call that waits for a place at an endpoint. */
export interface PlaceSeeker {
  readonly agent: string;
  /** Clock ms: it waits no longer. */
  readonly deadlineMs: number;
  /** A place is free. */
  takePlace(): void;
  /** Whether it goes elsewhere now, because serverless takes it or because the endpoint no longer serves its route. */
  readonly goesElsewhere: boolean;
  goElsewhere(): void;
  /** It waits no longer: it was too long, or another agent's call has its place in the queue. */
  leaveQueue(why: 'late' | 'displaced'): void;
}

/** What the policy and the ledger say about calls for which an endpoint has no room. */
export interface OverflowRule {
  /** Whether they may go to serverless. */
  readonly mayOverflow: boolean;
  /** They go there only while serverless refuses at most this share of calls, 0..1. */
  readonly mostRefused: number;
}

/** Beyond this part of its places an endpoint is left to the calls that need it. */
const AMPLE = 0.75;

const UNTOLD: OverflowRule = { mayOverflow: true, mostRefused: 1 };

/** The calls and copies under way at one endpoint, and the calls that wait for a place there. Agents take turns. */
export class EndpointGate {
  readonly load = new EndpointLoad();
  readonly #coarse: CoarseClock;
  #queue: FairQueue<PlaceSeeker> | null = null;
  #rule = UNTOLD;
  #isDraining = false;
  readonly #counts = { saturated: 0, overflowed: 0, waited: 0, refused: 0 };

  constructor(coarse: CoarseClock) {
    this.#coarse = coarse;
  }

  get rule(): OverflowRule {
    return this.#rule;
  }

  /** Whether a call that is drawn now would find no room. */
  get isFull(): boolean {
    return this.load.isFull || (this.waiting > 0 && !this.load.isSick);
  }

  /** Whether it has room for calls that could be left out: it is well, and more than a quarter of its places is free. */
  get hasAmpleRoom(): boolean {
    const { inFlight, limit, isSick } = this.load;
    return !this.isFull && !isSick && (limit === null || inFlight < AMPLE * limit);
  }

  get waiting(): number {
    return this.#queue === null ? 0 : this.#queue.size;
  }

  get status(): EndpointLoadStatus {
    const { inFlight, limit, fullAt, sent } = this.load;
    return { inFlight, limit, fullAt, sent, waiting: this.waiting, ...this.#counts };
  }

  /** What is known of the endpoint's room, and what may be done without it, may have changed. */
  told(capacity: EndpointCapacity, rule: OverflowRule): void {
    this.#rule = rule;
    this.load.measured(capacity);
    this.#drain();
  }

  /** A call or a copy is sent. Returns its number. */
  begin(): number {
    return this.load.begin();
  }

  /** A call or a copy is no longer under way. */
  end(): void {
    this.load.end();
    if (this.waiting > 0) this.#drain();
  }

  /** The endpoint has begun to answer a call well. */
  answered(): void {
    this.load.answered(this.#coarse.nowMs);
  }

  /** The endpoint refused a call, and said that it lacks room. Returns whether that is believed. */
  refused(number: number): boolean {
    return this.#counted(this.load.refused(number, this.#coarse.nowMs));
  }

  /** The first byte of a call is late. Returns whether for lack of room. */
  late(number: number): boolean {
    return this.#counted(this.load.late(number, this.#coarse.nowMs));
  }

  #counted(isSaturated: boolean): boolean {
    if (isSaturated) this.#counts.saturated++;
    return isSaturated;
  }

  /** A call went to serverless because there was no room. */
  noteOverflow(): void {
    this.#counts.overflowed++;
  }

  /** A call was refused because there was no room anywhere. */
  noteRefused(): void {
    this.#counts.refused++;
  }

  /** Asks for a place. `most`: how many calls may wait; the first one to wait decides it. */
  enter(seeker: PlaceSeeker, most: number): 'free' | 'waits' | 'queue_full' {
    if (this.waiting === 0 && this.load.hasRoom) return 'free';
    this.#queue ??= new FairQueue(most);
    const displaced = this.#queue.add(seeker.agent, seeker);
    if (displaced === seeker) return 'queue_full';
    this.#counts.waited++;
    displaced?.leaveQueue('displaced');
    return 'waits';
  }

  /** A call waits no longer. */
  leave(seeker: PlaceSeeker): void {
    this.#queue?.remove(seeker.agent, seeker);
  }

  /** Lets those go that can go now, and sends those away that have waited too long. `nowMs`: clock ms. */
  sweep(nowMs: number): void {
    const queue = this.#queue;
    if (queue === null || queue.size === 0) return;
    this.#drain();
    for (const seeker of queue.items()) {
      if (nowMs < seeker.deadlineMs) continue;
      this.leave(seeker);
      seeker.leaveQueue('late');
    }
    for (let first = queue.first; first?.goesElsewhere === true; first = queue.first) {
      this.leave(first);
      first.goElsewhere();
    }
  }

  #drain(): void {
    const queue = this.#queue;
    // A call that is sent may end at once, and its end calls this function again.
    if (queue === null || this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.load.hasRoom) {
        const seeker = queue.take();
        if (seeker === undefined) break;
        seeker.takePlace();
      }
    } finally {
      this.#isDraining = false;
    }
  }
}
