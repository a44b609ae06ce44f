import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Arrival, Outcome } from '../core/call.ts';
import { errorMessage } from '../core/errors.ts';
import type { Canary, UpstreamKind } from '../core/route.ts';
import { assignCall } from './assignment.ts';
import type { Assignment } from './assignment.ts';
import { Body } from './body.ts';
import type { BodyOwner } from './body.ts';
import { Delivery } from './delivery.ts';
import { Try } from './forward.ts';
import type { AttemptOwner } from './forward.ts';
import { isForeign, requestHeaders } from './headers.ts';
import { mayFallBack, outcomeOfStatus } from './outcome.ts';
import { locate } from './paths.ts';
import type { Destination } from './paths.ts';
import { readQuestion } from './question.ts';
import { FOREIGN_ORIGIN, INTERNAL, INVALID_REQUEST, UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE } from './reply.ts';
import { renderReply, tooLarge, unknownPath } from './reply.ts';
import type { Reply } from './reply.ts';
import { toRow } from './row.ts';
import type { Scan } from './scan.ts';
import type { Shared } from './shared.ts';
import { spliceString } from './splice.ts';

// The router itself waits this long for a provider; nothing is gained by giving up before it.
const SERVERLESS_FIRST_BYTE_MS = 300_000;
const EMPTY = Buffer.alloc(0);

/** One call from its arrival to its row: has it read and assigned, makes its attempts, delivers one answer. */
export class Exchange implements AttemptOwner, BodyOwner {
  isOver = false;
  place = -1;
  private readonly shared: Shared;
  private readonly req: IncomingMessage;
  private readonly res: ServerResponse;
  private readonly arrivedAtUs: number;
  private destination: Destination | null = null;
  private reader: Body | null = null;
  private body: Buffer = EMPTY;
  private scan: Scan | null = null;
  private assignment: Assignment | null = null;
  private attempts: Try[] = [];
  private firstOutcome: Outcome | null = null;
  private delivery: Delivery | null = null;
  private hasClientLeft = false;

  constructor(shared: Shared, req: IncomingMessage, res: ServerResponse) {
    this.shared = shared;
    this.req = req;
    this.res = res;
    this.arrivedAtUs = shared.nextArrivalUs();
  }

  // --- arrival ---

  start(): void {
    const { req, res, shared } = this;
    res.on('close', () => this.clientClosed());
    const { origin } = req.headers;
    if (origin !== undefined && isForeign(origin)) {
      req.resume();
      this.refuse(FOREIGN_ORIGIN);
      return;
    }
    this.destination = locate(req.method ?? '', req.url ?? '');
    if (this.destination !== null) {
      this.reader = new Body(req, shared.maxBodyBytes, this);
      return;
    }
    req.resume();
    this.refuse(unknownPath(req.method ?? '', req.url ?? ''));
  }

  flooded(): void {
    if (this.isOver) return;
    this.res.shouldKeepAlive = false;
    this.refuse(tooLarge(this.shared.maxBodyBytes));
  }

  received(body: Buffer | null): void {
    if (this.isOver) return;
    if (body === null) {
      this.refuse(tooLarge(this.shared.maxBodyBytes));
      return;
    }
    try {
      this.begin((this.body = body), this.destination as Destination);
    } catch (error) {
      this.fail(error);
    }
  }

  private begin(body: Buffer, destination: Destination): void {
    const { shared, arrivedAtUs } = this;
    const { headers } = this.req;
    const question = readQuestion(destination, headers['content-encoding'], body);
    if ('code' in question) {
      this.refuse(question);
      return;
    }
    this.scan = question.scan;
    const assignment = assignCall(shared, { arrivedAtUs, headers, destination, body, question });
    this.assignment = assignment;
    const { arrival, canary } = assignment;
    if (arrival.hasNoToken) shared.counters.withoutToken++;
    shared.observer.arrived(arrival);
    if (arrival.role === 'canary') this.tryEndpoint(assignment, canary as Canary);
    else this.tryServerless(assignment);
  }

  /** Null until the call has been assigned. */
  get arrival(): Arrival | null {
    return this.assignment === null ? null : this.assignment.arrival;
  }

  // --- attempts ---

  private tryEndpoint(assignment: Assignment, canary: Canary): void {
    const { token } = this.shared;
    const scan = this.scan as Scan;
    const isRenamed = scan.model !== canary.servedModel;
    const headers = requestHeaders(this.req.rawHeaders, token === null ? null : `Bearer ${token}`, false);
    const body = isRenamed ? spliceString(this.body, scan.modelStart, scan.modelEnd, canary.servedModel) : this.body;
    this.attempt(assignment, 'dedicated', canary.url, headers, body);
  }

  private tryServerless(assignment: Assignment): void {
    const headers = requestHeaders(this.req.rawHeaders, assignment.authorization, true);
    const body = this.body.length === 0 ? null : this.body;
    this.attempt(assignment, 'serverless', this.shared.routerUrl, headers, body);
  }

  private attempt(
    { timeouts }: Assignment,
    kind: UpstreamKind,
    url: string,
    headers: string[],
    body: Buffer | null,
  ): void {
    const attempt = new Try(this, kind, this.shared.nowUs());
    this.attempts.push(attempt);
    attempt.send(this.shared.targets.of(url, timeouts.connectMs), {
      path: (this.destination as Destination).path,
      method: this.req.method as string,
      headers,
      body,
      firstByteMs: kind === 'dedicated' ? timeouts.firstByteMs : SERVERLESS_FIRST_BYTE_MS,
      betweenChunksMs: timeouts.betweenChunksMs,
    });
  }

  /** Notes an attempt's outcome as soon as it is known. */
  private judge(attempt: Try, outcome: Outcome): void {
    attempt.outcome ??= outcome;
    if (this.firstOutcome !== null || attempt !== this.attempts[0]) return;
    const { assignment, shared } = this;
    this.firstOutcome = outcome;
    if (outcome === 'ok' || assignment === null) return;
    const { arrival, repeatOfUs } = assignment;
    shared.observer.failed(arrival, outcome, attempt.upstream);
    if (outcome === 'rate_limited' && attempt.upstream === 'serverless') {
      const { path } = this.destination as Destination;
      shared.repeats.refused(arrival.agent, path, this.body, { arrivedAtUs: this.arrivedAtUs, repeatOfUs });
    }
  }

  /** Sends the call to serverless, once, if the outcome allows it and no byte reached the client. */
  private fallsBack(attempt: Try, outcome: Outcome): boolean {
    if (attempt.upstream !== 'dedicated' || !mayFallBack(outcome) || this.res.headersSent) return false;
    this.judge(attempt, outcome);
    attempt.settle(outcome, this.nowUs());
    attempt.discard();
    this.delivery = null;
    this.shared.counters.fallbacks++;
    this.tryServerless(this.assignment as Assignment);
    return true;
  }

  nowUs(): number {
    return this.shared.nowUs();
  }

  coarseMs(): number {
    return this.shared.coarse.nowMs;
  }

  /** Gives up an attempt that has been silent for too long. */
  expire(nowMs: number): void {
    if (!this.isOver) this.attempts.at(-1)?.expire(nowMs);
  }

  answered(attempt: Try, status: number, headers: IncomingHttpHeaders): void {
    const outcome = outcomeOfStatus(status);
    if (status >= 400 && this.fallsBack(attempt, outcome)) return;
    if (outcome === 'unavailable') {
      attempt.discard();
      this.replyFor(attempt, outcome, UPSTREAM_UNAVAILABLE);
      return;
    }
    const mayBePaused = status === 400 && attempt.upstream === 'dedicated';
    if (outcome !== 'ok' && !mayBePaused) this.judge(attempt, outcome);
    const renamed = this.renamedTo(attempt);
    this.delivery = new Delivery(this.res, attempt, { status, headers, mayBePaused, renamed });
  }

  /** The name to put into the answer in place of the one that the endpoint serves the model under. */
  private renamedTo(attempt: Try): string | null {
    if (attempt.upstream !== 'dedicated') return null;
    const { arrival, canary } = this.assignment as Assignment;
    return canary === null || canary.servedModel === arrival.model ? null : arrival.model;
  }

  data(_: Try, chunk: Buffer): void {
    this.delivery?.chunk(chunk, this.shared);
  }

  completed(attempt: Try): void {
    const delivery = this.delivery as Delivery;
    if (delivery.isPaused() && this.fallsBack(attempt, 'paused')) return;
    const finish = delivery.finish();
    const outcome = delivery.hasFailed ? 'server_error' : outcomeOfStatus(attempt.status);
    this.conclude(attempt, outcome, finish);
  }

  broke(attempt: Try, outcome: Outcome, error: Error): void {
    if (this.fallsBack(attempt, outcome)) return;
    if (outcome === 'gateway_error') {
      this.replyFor(attempt, outcome, 'code' in error ? INVALID_REQUEST : INTERNAL);
    } else if (this.res.headersSent) {
      this.conclude(attempt, outcome, () => this.res.destroy());
    } else {
      const isLate = outcome === 'first_byte_timeout' || outcome === 'idle_timeout';
      this.replyFor(attempt, outcome, isLate ? UPSTREAM_TIMEOUT : UPSTREAM_UNAVAILABLE);
    }
  }

  // --- ends ---

  private clientClosed(): void {
    if (this.isOver) return;
    this.hasClientLeft = true;
    this.shared.counters.clientsLeft++;
    this.stop('client_left');
  }

  /** Ends the call at once because of our own shutdown. */
  cut(): void {
    if (this.isOver) return;
    this.shared.counters.cut++;
    this.stop('cut');
  }

  private stop(outcome: 'client_left' | 'cut'): void {
    const attempt = this.attempts.at(-1);
    attempt?.cancel();
    const isComplete = this.delivery?.isComplete ?? false;
    if (attempt !== undefined) this.judge(attempt, isComplete ? 'ok' : outcome);
    this.conclude(attempt, isComplete && outcome === 'client_left' ? 'ok' : outcome, () => this.res.destroy());
  }

  /** Refuses a request that never became a call to an upstream. */
  private refuse(reply: Reply): void {
    this.shared.counters.refused++;
    this.conclude(undefined, 'gateway_error', this.rendered(reply), reply.status);
  }

  /** Answers in place of an upstream that gave nothing to pass on. */
  private replyFor(attempt: Try, outcome: Outcome, reply: Reply): void {
    this.delivery = null;
    this.conclude(attempt, outcome, this.rendered(reply), reply.status);
  }

  private rendered(reply: Reply): () => void {
    return () => {
      const { headers, body } = renderReply(reply);
      this.res.writeHead(reply.status, headers);
      this.res.end(body);
    };
  }

  /** Writes the row; `finish`, which ends the message, waits for it. */
  private conclude(attempt: Try | undefined, outcome: Outcome, finish: () => void, madeStatus = 0): void {
    const { shared, assignment } = this;
    const endedAtUs = shared.nowUs();
    if (attempt !== undefined) {
      this.judge(attempt, outcome);
      attempt.settle(outcome, endedAtUs);
    }
    this.isOver = true;
    const call = toRow({
      arrivedAtUs: this.arrivedAtUs,
      endedAtUs,
      kind: this.destination === null ? 'native' : this.destination.kind,
      assignment,
      attempts: this.attempts,
      delivery: this.delivery,
      isVisible: this.isVisible(outcome),
      madeStatus,
      outcome: this.firstOutcome ?? outcome,
      finalOutcome: outcome,
      hasClientLeft: this.hasClientLeft,
      requestBytes: this.reader === null ? 0 : this.reader.bytes,
    });
    if (assignment !== null && assignment.repeatOfUs !== null && outcome === 'ok') {
      shared.repeats.served(assignment.arrival.agent, (this.destination as Destination).path, this.body);
    }
    const release = () => this.end(finish);
    try {
      shared.recorder.record(call, release);
    } catch (error) {
      shared.log('error', 'a call could not be recorded', { error: errorMessage(error) });
      release();
    }
    shared.observer.ended(call);
  }

  /** Lets the end of the message go out, once. */
  private end(finish: () => void): void {
    if (this.place < 0) return;
    this.shared.live.delete(this);
    try {
      finish();
    } catch (error) {
      this.shared.log('error', 'an answer could not be sent', { error: errorMessage(error) });
      this.res.destroy();
    }
  }

  /** Our own mistake: said in the log, answered as one. */
  private fail(error: unknown): void {
    this.shared.log('error', 'a call could not be handled', { error: errorMessage(error) });
    if (this.isOver) return;
    this.attempts.at(-1)?.cancel();
    this.refuse(INTERNAL);
  }

  /** The answer, where it has not begun yet, tells the client that its connection ends with it. */
  closeAfter(): void {
    if (!this.res.headersSent) this.res.shouldKeepAlive = false;
  }

  /** Whether the client got, or is about to get, the upstream's status line. */
  private isVisible(outcome: Outcome): boolean {
    return this.res.headersSent || (outcome !== 'client_left' && outcome !== 'cut' && !this.hasClientLeft);
  }

  get hasFirstByte(): boolean {
    return this.attempts[0]?.firstByteAtUs != null;
  }

  /** Whether the first attempt's outcome is known. */
  get isDecided(): boolean {
    return this.firstOutcome !== null || (this.delivery?.isComplete ?? false);
  }
}
