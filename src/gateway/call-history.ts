import { knownAfterAllUs } from '../core/call.ts';
import type { Call } from '../core/call.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Attempt } from './attempt/attempt.ts';
import type { Ending } from './ending.ts';
import type { AnswerPair } from './form/answer-pair.ts';
import type { Learned } from './form/forms.ts';
import { heldUntil } from './request/assignment.ts';
import type { Assignment } from './request/assignment.ts';
import type { IncomingCall } from './request/incoming-call.ts';
import { callRow } from './row.ts';
import type { Shared } from './shared.ts';

/** What has happened to an assigned call so far: its attempts and their outcomes. Reports them, and makes the row. */
export class CallHistory {
  readonly attempts: Attempt[] = [];
  assignment: Assignment;
  /** Compares its answer with that of its copy; null if it has none. */
  #pair: AnswerPair | null = null;
  readonly #shared: Shared;
  readonly #incoming: IncomingCall;

  constructor(shared: Shared, incoming: IncomingCall, assignment: Assignment) {
    this.#shared = shared;
    this.#incoming = incoming;
    this.assignment = assignment;
  }

  get hasShadow(): boolean {
    return this.#pair !== null;
  }

  /** Whether the first attempt's answer has begun. */
  get hasFirstByte(): boolean {
    const [first] = this.attempts;
    return first !== undefined && first.firstByteAtUs !== null;
  }

  /** Whether the first attempt's outcome is noted. */
  get hasOutcome(): boolean {
    const [first] = this.attempts;
    return first !== undefined && first.outcome !== null;
  }

  /** Notes that the call has waited for a permit until now. `wasOut`: whether because serverless was out. */
  noteHeld(nowUs: number, wasOut: boolean): void {
    this.assignment = heldUntil(this.assignment, nowUs, wasOut);
  }

  /**
   * Notes that an attempt is about to be sent. `wasHeld`: whether the call has waited until now; `wasOut`: whether because
   * serverless was out. Returns when the attempt starts, epoch µs.
   */
  noteSent(wasHeld: boolean, wasOut: boolean): number {
    if (this.attempts.length > 0) return this.#shared.nowUs();
    if (wasHeld) this.noteHeld(this.#shared.nowUs(), wasOut);
    const { arrival } = this.assignment;
    this.#shared.observer.sent(arrival);
    return arrival.assignedAtUs + arrival.waitedUs;
  }

  /** Has a copy of the call sent to the endpoint, if the shadow stage wants one. */
  offerCopy(): void {
    const { arrival, canary } = this.assignment;
    if (canary === null || canary.shadow === null) return;
    const startedAfterUs = arrival.assignedAtUs - arrival.arrivedAtUs;
    this.#pair = this.#shared.shadows.offer(this.#shared, this.#incoming, this.assignment, startedAfterUs);
  }

  /**
   * Notes an attempt's outcome as soon as it is known; a later one does not replace it. The first attempt's outcome is
   * what counts for the role. `endedAtUs`: null while the attempt goes on.
   */
  noteOutcome(attempt: Attempt, outcome: Outcome, endedAtUs: number | null): void {
    const isKnown = attempt.outcome !== null;
    if (endedAtUs === null) attempt.outcome ??= outcome;
    else attempt.settle(outcome, endedAtUs);
    if (isKnown || outcome === 'ok' || attempt !== this.attempts[0]) return;
    const { arrival } = this.assignment;
    const rows = this.attempts.map((each) => each.toRow(arrival.arrivedAtUs));
    const knownAfter = knownAfterAllUs(rows) as number;
    this.#shared.observer.failed(arrival, outcome, attempt.upstream, knownAfter, attempt.errorCode);
    if (outcome === 'rate_limited' && attempt.upstream === 'serverless') this.noteRefused();
  }

  /** Notes that the call was refused, so that a repeat of it is recognised. */
  noteRefused(): void {
    const { arrival, repeatOfUs } = this.assignment;
    const { destination, body, upload, arrivedAtUs } = this.#incoming;
    if (upload !== null) return;
    this.#shared.repeats.refused(arrival.agent, destination.path, body, { arrivedAtUs, repeatOfUs });
  }

  /**
   * Notes that the call has ended. `attempt`: the one that was under way; null if none was. `wasOut`: whether it was not
   * sent because serverless was out. Returns the call's row.
   */
  close(ending: Ending, attempt: Attempt | null, wasOut: boolean): Call {
    const { outcome, attemptOutcome } = ending;
    const endedAtUs = this.#shared.nowUs();
    if (this.attempts.length === 0) this.#noteNeverSent(outcome, endedAtUs, wasOut);
    if (attempt !== null) this.noteOutcome(attempt, attemptOutcome, endedAtUs);
    // An endpoint rejected the call, and the call ends before serverless shows whose mistake that is.
    const [first] = this.attempts;
    if (first !== undefined && first.outcome === null) this.noteOutcome(first, attemptOutcome, endedAtUs);
    const { body, upload, destination } = this.#incoming;
    const requestBytes = upload === null ? body.length : upload.bytes;
    const row = callRow(this, ending, { endedAtUs, requestBytes, ...this.#learnFrom(ending) });
    const wasRefused = row.repeatOfUs !== null || row.outcome === 'rate_limited';
    if (wasRefused && outcome === 'ok') this.#shared.repeats.served(row.agent, destination.path, body);
    return row;
  }

  /** What is learned from the answer to the first attempt. */
  #learnFrom({ delivery }: Ending): Learned {
    const [first] = this.attempts;
    const isAnswered = first !== undefined && first.outcome === 'ok';
    return this.#shared.forms.ended(this.#incoming, isAnswered ? (delivery?.reader ?? null) : null, this.#pair);
  }

  /** A call that ends without an attempt counts for its role like any other: the comparison of the roles needs it. */
  #noteNeverSent(outcome: Outcome, endedAtUs: number, wasOut: boolean): void {
    const { observer } = this.#shared;
    this.noteHeld(endedAtUs, wasOut);
    const { arrival } = this.assignment;
    observer.sent(arrival);
    observer.failed(arrival, outcome, 'serverless', endedAtUs - arrival.arrivedAtUs, '');
  }
}
