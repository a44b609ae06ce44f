import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { assignedTo, knownAfterUs } from '../core/call.ts';
import type { Arrival, Outcome } from '../core/call.ts';
import { errorMessage } from '../core/errors.ts';
import { locate } from '../core/wire/destination.ts';
import type { Destination } from '../core/wire/destination.ts';
import { Attempt } from './attempt/attempt.ts';
import type { AttemptOwner } from './attempt/attempt.ts';
import { Delivery } from './attempt/delivery.ts';
import { toEndpoint, toServerless } from './attempt/outbound.ts';
import type { OutboundRequest } from './attempt/outbound.ts';
import { mayFallBack, outcomeOfStatus } from './attempt/outcome.ts';
import { refusedHere } from './care/refusal.ts';
import type { Refusal } from './care/refusal.ts';
import { servingProvider } from './care/serving-provider.ts';
import { admissionFor } from './care/admission.ts';
import type { Admission } from './care/admission.ts';
import { assignCall, heldUntil, renamedTo } from './request/assignment.ts';
import type { Assignment } from './request/assignment.ts';
import { Body } from './request/body.ts';
import type { BodyOwner } from './request/body.ts';
import { isForeign } from './request/headers.ts';
import { readContent } from './request/incoming-call.ts';
import type { IncomingCall } from './request/incoming-call.ts';
import {
  FOREIGN_ORIGIN,
  INTERNAL,
  INVALID_REQUEST,
  sendReply,
  tooLarge,
  unknownPath,
  UPSTREAM_TIMEOUT,
  UPSTREAM_UNAVAILABLE,
} from './request/reply.ts';
import type { Reply } from './request/reply.ts';
import { toRow } from './row.ts';
import type { Shared } from './shared.ts';

/** Seconds after which a client may ask again where serverless refused it and did not say. */
const LATER_S = 5;

/** One call from its arrival to its row: has it read and assigned, makes its attempts, delivers one answer. */
export class Exchange implements AttemptOwner, BodyOwner {
  isOver = false;
  place = -1;
  readonly #shared: Shared;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #arrivedAtUs: number;
  #destination: Destination | null = null;
  #reader: Body | null = null;
  #incoming: IncomingCall | null = null;
  #assignment: Assignment | null = null;
  #attempts: Attempt[] = [];
  #firstOutcome: Outcome | null = null;
  #delivery: Delivery | null = null;
  #hasClientLeft = false;
  #hasShadow = false;
  /** Its way to serverless, where that is cared for. */
  #admission: Admission | null = null;

  constructor(shared: Shared, req: IncomingMessage, res: ServerResponse) {
    this.#shared = shared;
    this.#req = req;
    this.#res = res;
    this.#arrivedAtUs = shared.nextArrivalUs();
  }

  // --- arrival ---

  start(): void {
    const req = this.#req;
    const res = this.#res;
    const shared = this.#shared;
    res.on('close', () => this.#clientClosed());
    const { origin } = req.headers;
    this.#destination = locate(req.method ?? '', req.url ?? '');
    if (this.#destination !== null && (origin === undefined || !isForeign(origin))) {
      this.#reader = new Body(req, shared.maxBodyBytes, this);
      return;
    }
    req.resume();
    this.#refuse(this.#destination === null ? unknownPath(req.method ?? '', req.url ?? '') : FOREIGN_ORIGIN);
  }

  flooded(): void {
    if (this.isOver) return;
    this.#res.shouldKeepAlive = false;
    this.#refuse(tooLarge(this.#shared.maxBodyBytes));
  }

  received(body: Buffer | null): void {
    if (this.isOver) return;
    if (body === null) {
      this.#refuse(tooLarge(this.#shared.maxBodyBytes));
      return;
    }
    try {
      this.#begin(body, this.#destination as Destination);
    } catch (error) {
      this.fail(error);
    }
  }

  #begin(body: Buffer, destination: Destination): void {
    const shared = this.#shared;
    const arrivedAtUs = this.#arrivedAtUs;
    const req = this.#req;
    const { headers, rawHeaders } = req;
    const content = readContent(destination, headers['content-encoding'], body);
    if ('code' in content) {
      this.#refuse(content);
      return;
    }
    const incoming = { arrivedAtUs, method: req.method as string, headers, rawHeaders, destination, body, content };
    const assignment = assignCall(shared, incoming);
    this.#incoming = incoming;
    this.#assignment = assignment;
    const { arrival } = assignment;
    if (arrival.hasNoToken) shared.counters.withoutToken++;
    shared.observer.arrived(arrival);
    if (assignedTo(arrival) === 'dedicated') {
      shared.observer.sent(arrival);
      this.#attempt(toEndpoint(incoming, assignment, shared.token), arrival.assignedAtUs);
    } else this.#toServerless();
  }

  /** Makes an attempt at serverless: at once, or where calls are cared for, when there is a place. */
  #toServerless(): void {
    this.#admission = admissionFor(this, this.#shared, this.#incoming as IncomingCall, this.#assignment as Assignment);
    if (this.#admission === null) this.sendNow();
    else this.#admission.begin();
  }

  sendNow(): void {
    const shared = this.#shared;
    const admission = this.#admission;
    const incoming = this.#incoming as IncomingCall;
    let assignment = this.#assignment as Assignment;
    const isFirst = this.#attempts.length === 0;
    if (isFirst && admission !== null && admission.wasHeld) {
      this.#assignment = assignment = heldUntil(assignment, shared.nowUs());
    }
    const { arrival, canary } = assignment;
    if (isFirst) shared.observer.sent(arrival);
    const request = toServerless(incoming, assignment, shared.routerUrl, admission === null ? null : admission.suffix);
    this.#attempt(request, isFirst ? arrival.assignedAtUs + arrival.waitedUs : shared.nowUs());
    if (!isFirst || canary === null || canary.shadow === null || this.isOver) return;
    this.#hasShadow = shared.shadows.offer(shared, incoming, assignment, arrival.assignedAtUs - this.#arrivedAtUs);
  }

  /** There is no place at serverless for it. */
  refused(refusal: Refusal): void {
    const { arrival, repeatOfUs } = this.#assignment as Assignment;
    const { destination, body, arrivedAtUs } = this.#incoming as IncomingCall;
    this.#shared.repeats.refused(arrival.agent, destination.path, body, { arrivedAtUs, repeatOfUs });
    const reply = refusedHere(refusal);
    this.#conclude(undefined, 'rate_limited', () => sendReply(this.#res, reply), { madeStatus: reply.status });
  }

  /** It ends without an attempt: it was assigned all the same, and who compares the roles must know of it. */
  #neverSent(outcome: Outcome, endedAtUs: number): void {
    const { observer } = this.#shared;
    this.#firstOutcome = outcome;
    const { arrival } = (this.#assignment = heldUntil(this.#assignment as Assignment, endedAtUs));
    observer.sent(arrival);
    observer.failed(arrival, outcome, 'serverless', endedAtUs - this.#arrivedAtUs);
  }

  /** Null until the call has been assigned. */
  get arrival(): Arrival | null {
    return this.#assignment === null ? null : this.#assignment.arrival;
  }

  // --- attempts ---

  #attempt(request: OutboundRequest, startedAtUs = this.#shared.nowUs()): void {
    const attempt = new Attempt(this, this.#shared, request, startedAtUs);
    this.#attempts.push(attempt);
    const target = this.#shared.targets.of(request.url, request.connectMs);
    attempt.send(this.#admission === null ? target : this.#admission.wrap(target));
  }

  /** Notes an attempt's outcome as soon as it is known; where only its end tells it, that has been noted before. */
  #noteOutcome(attempt: Attempt, outcome: Outcome): void {
    attempt.outcome ??= outcome;
    if (this.#firstOutcome !== null || attempt !== this.#attempts[0]) return;
    const assignment = this.#assignment;
    const shared = this.#shared;
    this.#firstOutcome = outcome;
    if (outcome === 'ok' || assignment === null) return;
    const { arrival, repeatOfUs } = assignment;
    const knownAfter = knownAfterUs(attempt.toRow(this.#arrivedAtUs));
    shared.observer.failed(arrival, outcome, attempt.upstream, knownAfter);
    if (outcome === 'rate_limited' && attempt.upstream === 'serverless') {
      const { destination, body, arrivedAtUs } = this.#incoming as IncomingCall;
      shared.repeats.refused(arrival.agent, destination.path, body, { arrivedAtUs, repeatOfUs });
    }
  }

  /** Sends the call to serverless, once, if the outcome allows it and no byte reached the client. */
  #fallsBack(attempt: Attempt, outcome: Outcome): boolean {
    if (attempt.upstream !== 'dedicated' || !mayFallBack(outcome) || this.#res.headersSent) return false;
    attempt.settle(outcome, this.#shared.nowUs());
    this.#noteOutcome(attempt, outcome);
    attempt.discard();
    this.#delivery = null;
    this.#shared.counters.fallbacks++;
    this.#toServerless();
    return true;
  }

  /** Tries serverless again where that may help and no byte reached the client. */
  #repeats(attempt: Attempt, outcome: Outcome, headers: IncomingHttpHeaders | null): boolean {
    const admission = this.#admission;
    if (admission === null || attempt.upstream !== 'serverless' || this.#res.headersSent) return false;
    if (!admission.tryAgain(outcome, attempt.status, headers)) {
      admission.release(outcome, headers);
      return false;
    }
    attempt.settle(outcome, this.#shared.nowUs());
    this.#noteOutcome(attempt, outcome);
    attempt.discard();
    this.#shared.counters.retries++;
    return true;
  }

  /** Gives up an attempt that has been silent for too long. */
  expire(nowMs: number): void {
    if (!this.isOver) this.#attempts.at(-1)?.expire(nowMs);
  }

  answered(attempt: Attempt, status: number, headers: IncomingHttpHeaders): void {
    const outcome = outcomeOfStatus(status);
    if (status >= 400 && (this.#fallsBack(attempt, outcome) || this.#repeats(attempt, outcome, headers))) return;
    if (attempt.upstream === 'serverless' && outcome === 'ok') this.#admission?.answerBegan(headers);
    if (outcome === 'unavailable') {
      attempt.discard();
      this.#replyFor(attempt, outcome, UPSTREAM_UNAVAILABLE);
      return;
    }
    const mayBePaused = status === 400 && attempt.upstream === 'dedicated';
    if (outcome !== 'ok' && !mayBePaused) this.#noteOutcome(attempt, outcome);
    const renamed = renamedTo(this.#assignment as Assignment, attempt.upstream);
    const retryAfter = outcome === 'rate_limited' && this.#admission !== null ? LATER_S : null;
    const isServerless = attempt.upstream === 'serverless' && outcome === 'ok';
    const provider = isServerless
      ? servingProvider(headers, this.#admission?.suffix ?? null, this.#incoming as IncomingCall)
      : null;
    const attempts = this.#attempts.length;
    const head = { status, headers, mayBePaused, renamed, provider, attempts, retryAfter };
    this.#delivery = new Delivery(this.#res, attempt, head);
  }

  data(_: Attempt, chunk: Buffer): void {
    this.#delivery?.chunk(chunk, this.#shared);
  }

  completed(attempt: Attempt): void {
    const delivery = this.#delivery as Delivery;
    if (delivery.isPaused() && this.#fallsBack(attempt, 'paused')) return;
    const finish = delivery.finish();
    const outcome = delivery.hasFailed ? 'server_error' : outcomeOfStatus(attempt.status);
    this.#conclude(attempt, outcome, finish);
  }

  broke(attempt: Attempt, outcome: Outcome, error: Error): void {
    if (this.#fallsBack(attempt, outcome) || this.#repeats(attempt, outcome, null)) return;
    if (outcome === 'gateway_error') {
      this.#replyFor(attempt, outcome, 'code' in error ? INVALID_REQUEST : INTERNAL);
    } else if (this.#res.headersSent) {
      this.#conclude(attempt, outcome, () => this.#res.destroy());
    } else {
      const isLate = outcome.endsWith('_timeout');
      this.#replyFor(attempt, outcome, isLate ? UPSTREAM_TIMEOUT : UPSTREAM_UNAVAILABLE);
    }
  }

  // --- ends ---

  #clientClosed(): void {
    if (this.isOver) return;
    this.#hasClientLeft = true;
    this.#shared.counters.clientsLeft++;
    this.#stop('client_left');
  }

  /** Ends the call at once because of our own shutdown. */
  cut(): void {
    if (this.isOver) return;
    this.#shared.counters.cut++;
    this.#stop('cut');
  }

  #stop(outcome: 'client_left' | 'cut'): void {
    const last = this.#attempts.at(-1);
    // Between two tries there is no attempt to end.
    const attempt = last?.hasEnded === true ? undefined : last;
    attempt?.cancel();
    const isComplete = this.#delivery?.isComplete ?? false;
    const finalOutcome = isComplete && outcome === 'client_left' ? 'ok' : outcome;
    const attemptOutcome = isComplete ? 'ok' : outcome;
    this.#conclude(attempt, finalOutcome, () => this.#res.destroy(), { attemptOutcome });
  }

  /** Refuses a request that never became a call to an upstream. */
  #refuse(reply: Reply): void {
    this.#shared.counters.refused++;
    this.#conclude(undefined, 'gateway_error', () => sendReply(this.#res, reply), { madeStatus: reply.status });
  }

  /** Answers in place of an upstream that gave nothing to pass on. */
  #replyFor(attempt: Attempt | undefined, outcome: Outcome, reply: Reply): void {
    this.#delivery = null;
    this.#conclude(attempt, outcome, () => sendReply(this.#res, reply), { madeStatus: reply.status });
  }

  /** Writes the row; `finish`, which ends the message, waits for it. */
  #conclude(
    attempt: Attempt | undefined,
    outcome: Outcome,
    finish: () => void,
    { madeStatus = 0, attemptOutcome = outcome }: { madeStatus?: number; attemptOutcome?: Outcome } = {},
  ): void {
    const shared = this.#shared;
    const endedAtUs = shared.nowUs();
    if (this.#assignment !== null && this.#attempts.length === 0) this.#neverSent(outcome, endedAtUs);
    const assignment = this.#assignment;
    if (attempt !== undefined) {
      attempt.settle(attemptOutcome, endedAtUs);
      this.#noteOutcome(attempt, attemptOutcome);
    }
    this.#admission?.release(attemptOutcome);
    this.#admission?.end();
    this.isOver = true;
    const call = toRow({
      arrivedAtUs: this.#arrivedAtUs,
      endedAtUs,
      kind: this.#destination === null ? 'native' : this.#destination.kind,
      assignment,
      attempts: this.#attempts,
      delivery: this.#delivery,
      isVisible: this.#isVisible(outcome),
      madeStatus,
      outcome: this.#firstOutcome ?? outcome,
      finalOutcome: outcome,
      hasClientLeft: this.#hasClientLeft,
      hasShadow: this.#hasShadow,
      requestBytes: this.#reader === null ? 0 : this.#reader.bytes,
    });
    const wasRefused = assignment !== null && (assignment.repeatOfUs !== null || this.#firstOutcome === 'rate_limited');
    if (wasRefused && outcome === 'ok') {
      const { destination, body } = this.#incoming as IncomingCall;
      shared.repeats.served(assignment.arrival.agent, destination.path, body);
    }
    const release = () => this.#end(finish);
    try {
      shared.recorder.record(call, release);
    } catch (error) {
      shared.log('error', 'a call could not be recorded', { error: errorMessage(error) });
      release();
    }
    shared.observer.ended(call);
  }

  /** Lets the end of the message go out, once. */
  #end(finish: () => void): void {
    if (this.place < 0) return;
    this.#shared.live.delete(this);
    try {
      finish();
    } catch (error) {
      this.#shared.log('error', 'an answer could not be sent', { error: errorMessage(error) });
      this.#res.destroy();
    }
  }

  /** Our own mistake: said in the log, answered as one. */
  fail(error: unknown): void {
    this.#shared.log('error', 'a call could not be handled', { error: errorMessage(error) });
    if (this.isOver) return;
    const attempt = this.#attempts.at(-1);
    attempt?.cancel();
    this.#replyFor(attempt, 'gateway_error', INTERNAL);
  }

  /** The answer, where it has not begun yet, tells the client that its connection ends with it. */
  closeAfter(): void {
    if (!this.#res.headersSent) this.#res.shouldKeepAlive = false;
  }

  /** Whether the client got, or is about to get, the upstream's status line. */
  #isVisible(outcome: Outcome): boolean {
    return this.#res.headersSent || (outcome !== 'client_left' && outcome !== 'cut' && !this.#hasClientLeft);
  }

  get hasFirstByte(): boolean {
    return this.#attempts[0]?.firstByteAtUs != null;
  }

  /** Whether the first attempt's outcome is known. */
  get isDecided(): boolean {
    return this.#firstOutcome !== null || (this.#delivery?.isComplete ?? false);
  }
}
