import type { ServerResponse } from 'node:http';
import type { Arrival } from '../core/call.ts';
import type { Outcome } from '../core/outcome.ts';
import { judgeNext } from '../core/care/next.ts';
import { errorMessage } from '../core/errors.ts';
import type { Attempt, AttemptOwner } from './attempt/attempt.ts';
import { Delivery } from './attempt/delivery.ts';
import { ErrorReader } from './attempt/error-reader.ts';
import { saysPaused } from './attempt/outcome.ts';
import { unavailableReply } from './attempt/unavailable.ts';
import { outcomeOfRefusal, refusalReply } from './care/refusal.ts';
import type { Refusal } from './care/refusal.ts';
import { CallHistory } from './call-history.ts';
import { attemptOf, deliveryOf, OVER, WAITING } from './call-state.ts';
import { brokenOff, delivered, replied, stopped } from './ending.ts';
import type { CallOwner, Ending } from './ending.ts';
import { headOf } from './head.ts';
import { KeptAnswers } from './kept-answers.ts';
import type { Assignment } from './request/assignment.ts';
import type { IncomingCall } from './request/incoming-call.ts';
import { whenOutcomeKnown } from './overflow/answer-outcome.ts';
import { INTERNAL } from './request/reply.ts';
import { Sending } from './sending.ts';
import type { Shared } from './shared.ts';
import type { AnswerHeaders } from './request/headers.ts';

const NO_ANSWER = new Error('no answer');

/** One call from its assignment to its end: makes its attempts and passes one answer on. */
export class AssignedCall implements AttemptOwner {
  readonly #owner: CallOwner;
  readonly #shared: Shared;
  readonly #res: ServerResponse;
  readonly #incoming: IncomingCall;
  readonly #history: CallHistory;
  readonly #kept: KeptAnswers;
  #state = WAITING;
  readonly #sending: Sending;
  #hasFallenBack = false;

  constructor(
    owner: CallOwner,
    shared: Shared,
    res: ServerResponse,
    { incoming, assignment }: { readonly incoming: IncomingCall; readonly assignment: Assignment },
  ) {
    this.#owner = owner;
    this.#shared = shared;
    this.#res = res;
    this.#incoming = incoming;
    this.#history = new CallHistory(shared, incoming, assignment);
    this.#kept = new KeptAnswers(this.#history, shared);
    this.#sending = new Sending(this, shared, incoming, this.#history);
  }

  get arrival(): Arrival {
    return this.#history.assignment.arrival;
  }

  /** Whether the first attempt's answer has begun. */
  get hasFirstByte(): boolean {
    return this.#history.hasFirstByte;
  }

  /** Whether the first attempt's outcome is known. */
  get isDecided(): boolean {
    return this.#history.hasOutcome || (this.#delivery?.isComplete ?? false);
  }

  /** Whether an attempt at the endpoint is under way. */
  get isOnEndpoint(): boolean {
    return this.#attemptNow?.upstream === 'dedicated' && this.#delivery?.isComplete !== true;
  }

  /** Sends the call to the upstream that it is assigned to. */
  start(): void {
    const { arrival } = this;
    if (arrival.hasNoToken) this.#shared.counters.withoutToken++;
    try {
      this.#shared.observer.arrived(arrival);
      this.#sending.start();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Gives up an attempt that has been silent for too long. `nowMs`: as from the coarse clock. */
  expire(nowMs: number): void {
    this.#attemptNow?.expire(nowMs);
  }

  /** Ends the call at once. */
  stop(why: 'client_left' | 'cut'): void {
    this.#attemptNow?.cancel();
    this.#end(stopped(this.#res, this.#delivery, why));
  }

  // --- what is reported of sending its attempts ---

  trying(attempt: Attempt): void {
    this.#state = { name: 'trying', attempt };
  }

  refused(refusal: Refusal): void {
    const last = this.#kept.take();
    if (last !== null) return this.#giveBack(last);
    this.#history.noteRefused();
    this.#end(replied(this.#res, refusalReply(refusal), outcomeOfRefusal(refusal)));
  }

  /** No further attempt is made after all: the client gets what the last one got. */
  #giveBack(attempt: Attempt): void {
    this.#state = { name: 'trying', attempt };
    if (!attempt.giveBack()) this.#end(brokenOff(this.#res, null, attempt.outcome as Outcome, NO_ANSWER));
  }

  /** A fault of the gateway itself: it is logged, and the client gets an error. */
  fail(error: unknown): void {
    this.#shared.log('error', 'a call could not be handled', { error: errorMessage(error) });
    if (this.isOver) return;
    this.#attemptNow?.cancel();
    this.#end(replied(this.#res, INTERNAL, 'gateway_error'));
  }

  // --- what its attempts report ---

  answered(attempt: Attempt, _: number, headers: AnswerHeaders): void {
    whenOutcomeKnown(attempt, headers, (outcome, body) => {
      if (!this.isOver) this.#begun(attempt, headers, outcome, body);
    });
  }

  /** An answer has begun, and its outcome so far is known. `body`: of an error that was read; null: not read. */
  #begun(attempt: Attempt, headers: AnswerHeaders, outcome: Outcome, body: Buffer | null): void {
    if (this.#settlesRejection(attempt, outcome, headers)) return;
    if (outcome !== 'ok' && (this.#fallsBack(attempt, outcome, headers) || this.#retries(attempt, outcome, headers)))
      return;
    if (attempt.upstream === 'serverless' && outcome === 'ok') this.#sending.admission?.answerBegan(headers);
    if (outcome !== 'ok') this.#history.noteOutcome(attempt, outcome, null);
    if (body !== null) return this.#end(replied(this.#res, unavailableReply(headers, body), outcome));
    const { status } = attempt;
    if (status === 503) {
      void new ErrorReader(attempt, (read) => {
        if (!this.isOver) this.#end(replied(this.#res, unavailableReply(headers, read), outcome));
      });
      return;
    }
    const access = { admission: this.#sending.admission, forms: this.#shared.forms };
    const head = headOf(this.#history, this.#incoming, access, { attempt, status, headers, outcome });
    this.#state = { name: 'delivering', attempt, delivery: new Delivery(this.#res, attempt, head) };
  }

  data(_: Attempt, chunk: Buffer): void {
    this.#delivery?.chunk(chunk, this.#shared);
  }

  completed(attempt: Attempt): void {
    const delivery = this.#delivery;
    if (delivery === null) return;
    const outcome = delivery.judge();
    if (outcome !== 'ok' && this.#fallsBack(attempt, outcome, null)) return;
    this.#end(delivered(delivery));
  }

  broke(attempt: Attempt, outcome: Outcome, error: Error): void {
    this.#shared.unreached.note(outcome, attempt.origin, error, this.#shared.coarse.nowMs);
    if (this.#settlesRejection(attempt, outcome, null)) return;
    if (this.#fallsBack(attempt, outcome, null) || this.#retries(attempt, outcome, null)) return;
    this.#end(brokenOff(this.#res, this.#delivery, outcome, error));
  }

  // --- attempts ---

  /** Sends the call to serverless, once, if the outcome allows it and no byte has reached the client. */
  #fallsBack(attempt: Attempt, outcome: Outcome, headers: AnswerHeaders | null): boolean {
    const { step, why } = this.#next(attempt, outcome);
    if (step !== 'elsewhere') return false;
    if (outcome === 'saturated') {
      this.#leave(attempt, outcome);
      attempt.discard();
      this.#sending.overflow();
      return true;
    }
    if (this.#hasFallenBack) return false;
    if (why === 'endpoint_rejected' && headers !== null)
      attempt.hold(headers, () => this.#rejectedBy(attempt, outcome));
    else this.#goElsewhere(attempt, outcome);
    return true;
  }

  /** The endpoint's rejection is here, as much of it as is kept. A paused endpoint has rejected nothing. */
  #rejectedBy(attempt: Attempt, outcome: Outcome): void {
    const isPaused = attempt.status === 400 && saysPaused(attempt.heldText);
    if (isPaused) return this.#goElsewhere(attempt, 'paused');
    this.#kept.keepRejection(attempt);
    this.#goElsewhere(null, outcome);
  }

  /** Sends the call to serverless. `attempt`: the endpoint's, whose answer nobody gets; null if it is kept. */
  #goElsewhere(attempt: Attempt | null, outcome: Outcome): void {
    this.#hasFallenBack = true;
    if (attempt !== null) {
      this.#leave(attempt, outcome);
      attempt.discard();
    }
    this.#state = WAITING;
    this.#shared.counters.fallbacks++;
    this.#sending.sendToServerless(!this.#kept.hasRejection);
  }

  /** Whether the client gets the endpoint's own rejection, because serverless has no better answer. */
  #settlesRejection(attempt: Attempt, outcome: Outcome, headers: AnswerHeaders | null): boolean {
    const rejected = this.#kept.settle(attempt, outcome);
    if (rejected === null) return false;
    this.#sending.admission?.release(outcome, attempt, headers);
    this.#giveBack(rejected);
    return true;
  }

  /** Tries again after serverless if that may help and no byte has reached the client. */
  #retries(attempt: Attempt, outcome: Outcome, headers: AnswerHeaders | null): boolean {
    if (attempt.upstream !== 'serverless' || this.#res.headersSent) return false;
    const isRepeatable = this.#next(attempt, outcome).step === 'again';
    return this.#sending.triesAgain(attempt, outcome, isRepeatable, headers, () => {
      this.#leave(attempt, outcome);
      this.#kept.keep(attempt, outcome, headers);
      this.#shared.counters.retries++;
    });
  }

  #next({ upstream, status }: Attempt, outcome: Outcome) {
    const isBodyGone = this.#incoming.upload !== null;
    return judgeNext({ upstream, outcome, status, hasReachedClient: this.#res.headersSent, isBodyGone });
  }

  /** Ends an attempt that another one follows. */
  #leave(attempt: Attempt, outcome: Outcome): void {
    this.#history.noteOutcome(attempt, outcome, this.#shared.nowUs());
    this.#delivery?.release();
    this.#state = WAITING;
  }

  #end(ending: Ending): void {
    const row = this.#history.close(ending, this.#attemptNow, this.#sending.admission?.wasOut ?? false);
    this.#kept.discard();
    this.#delivery?.release();
    this.#sending.end(ending.attemptOutcome);
    this.#state = OVER;
    this.#owner.ended(row, ending.finish);
  }

  get isOver(): boolean {
    return this.#state.name === 'over';
  }

  get #attemptNow(): Attempt | null {
    return attemptOf(this.#state);
  }

  get #delivery(): Delivery | null {
    return deliveryOf(this.#state);
  }
}
