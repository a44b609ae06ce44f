import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Arrival, Outcome } from '../core/call.ts';
import { errorMessage } from '../core/errors.ts';
import { isEligible } from '../core/route.ts';
import type { Canary, Timeouts, UpstreamKind } from '../core/route.ts';
import { assign } from '../core/split.ts';
import { Delivery } from './delivery.ts';
import { Try, outcomeOfStatus } from './forward.ts';
import type { AttemptOwner } from './forward.ts';
import { requestHeaders, serverlessAuthorization } from './headers.ts';
import { locate } from './paths.ts';
import type { Destination } from './paths.ts';
import { readQuestion } from './question.ts';
import type { Question } from './question.ts';
import { INTERNAL, INVALID_REQUEST, UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE } from './reply.ts';
import { renderReply, tooLarge, unknownPath } from './reply.ts';
import type { Reply } from './reply.ts';
import type { Scan } from './scan.ts';
import { toRow } from './row.ts';
import type { Shared } from './shared.ts';
import { spliceString } from './splice.ts';

// The router itself waits this long for a provider; nothing is gained by giving up before it.
const SERVERLESS_FIRST_BYTE_MS = 300_000;
const DISCARD_FACTOR = 4;
const EMPTY = Buffer.alloc(0);

const FALLS_BACK: ReadonlySet<Outcome> = new Set([
  'connect_failed',
  'first_byte_timeout',
  'rate_limited',
  'server_error',
  'unavailable',
  'unauthorized',
  'not_found',
  'paused',
  'broken_stream',
  'idle_timeout',
]);

/** One call from its arrival to its row: reads it, assigns it, makes its attempts, delivers one answer. */
export class Exchange implements AttemptOwner {
  arrival: Arrival | null = null;
  isOver = false;
  place = -1;
  private readonly shared: Shared;
  private readonly req: IncomingMessage;
  private readonly res: ServerResponse;
  private readonly arrivedAtUs: number;
  private destination: Destination | null = null;
  private chunks: Buffer[] = [];
  private requestBytes = 0;
  private body: Buffer = EMPTY;
  private scan: Scan | null = null;
  private timeouts: Timeouts | null = null;
  private canary: Canary | null = null;
  private authorization: string | null = null;
  private repeatOfUs: number | null = null;
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

  // --- reading ---

  start(): void {
    const { req, res } = this;
    res.on('close', () => this.clientClosed());
    this.destination = locate(req.method ?? '', req.url ?? '');
    if (this.destination === null) {
      req.resume();
      this.refuse(unknownPath(req.method ?? '', req.url ?? ''));
      return;
    }
    req.on('data', (chunk: Buffer) => this.receive(chunk));
    req.on('end', () => {
      try {
        this.received();
      } catch (error) {
        this.fail(error);
      }
    });
  }

  private receive(chunk: Buffer): void {
    this.requestBytes += chunk.length;
    const { maxBodyBytes } = this.shared;
    if (this.requestBytes <= maxBodyBytes) {
      this.chunks.push(chunk);
      return;
    }
    // The rest is read and forgotten, since a client that is still sending would miss an answer; but not for ever.
    this.chunks.length = 0;
    if (this.requestBytes > DISCARD_FACTOR * maxBodyBytes && !this.isOver) {
      this.res.shouldKeepAlive = false;
      this.refuse(tooLarge(maxBodyBytes));
    }
  }

  private received(): void {
    if (this.isOver) return;
    if (this.requestBytes > this.shared.maxBodyBytes) {
      this.refuse(tooLarge(this.shared.maxBodyBytes));
      return;
    }
    this.body = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks.length = 0;
    const encoding = this.req.headers['content-encoding'];
    const question = readQuestion(this.destination as Destination, encoding, this.body);
    if ('code' in question) this.refuse(question);
    else this.begin(question);
  }

  // --- assigning ---

  private begin({ model, shape, scan }: Question): void {
    const { shared, arrivedAtUs } = this;
    const { headers } = this.req;
    const destination = this.destination as Destination;
    const table = shared.table();
    this.scan = scan;
    const entry = model === null ? undefined : table.routes.get(model);
    this.timeouts = entry?.timeouts ?? table.fallback;
    const canary = (this.canary = entry?.canary ?? null);
    const sent = headers['x-agent-id'];
    const agent = shared.agents.of(
      (typeof sent === 'string' ? sent.trim() : '') || destination.agent,
      headers.authorization,
      headers['user-agent'],
    );
    const canSplit = canary !== null && scan !== null && isEligible(shape, canary.shapes);
    const role = canSplit ? assign(canary, arrivedAtUs, agent.id) : null;
    this.authorization = serverlessAuthorization(headers.authorization, shared.token);
    this.repeatOfUs = shared.repeats.find(agent.id, destination.path, this.body, arrivedAtUs);
    const hasNoToken = (role === 'canary' ? shared.token : this.authorization) === null;
    if (hasNoToken) shared.counters.withoutToken++;
    this.arrival = {
      arrivedAtUs,
      model,
      shape,
      agent: agent.id,
      isAgentDerived: agent.isDerived,
      rolloutId: canary === null ? null : canary.rolloutId,
      step: canary === null ? 0 : canary.step,
      role,
      isEligible: canSplit,
      hasNoToken,
      isRepeat: this.repeatOfUs !== null,
    };
    shared.observer.arrived(this.arrival);
    if (role === 'canary') this.tryEndpoint(canary as Canary);
    else this.tryServerless();
  }

  // --- attempts ---

  private tryEndpoint(canary: Canary): void {
    const { token } = this.shared;
    const { connectMs, firstByteMs } = this.timeouts as Timeouts;
    const scan = this.scan as Scan;
    const isRenamed = scan.model !== canary.servedModel;
    this.attempt('dedicated', canary.url, connectMs, firstByteMs, {
      headers: requestHeaders(this.req.rawHeaders, token === null ? null : `Bearer ${token}`, false),
      body: isRenamed ? spliceString(this.body, scan.modelStart, scan.modelEnd, canary.servedModel) : this.body,
    });
  }

  private tryServerless(): void {
    const { connectMs } = this.timeouts as Timeouts;
    this.attempt('serverless', this.shared.routerUrl, connectMs, SERVERLESS_FIRST_BYTE_MS, {
      headers: requestHeaders(this.req.rawHeaders, this.authorization, true),
      body: this.body.length === 0 ? null : this.body,
    });
  }

  private attempt(
    kind: UpstreamKind,
    url: string,
    connectMs: number,
    firstByteMs: number,
    { headers, body }: { headers: string[]; body: Buffer | null },
  ): void {
    const attempt = new Try(this, kind, this.shared.nowUs());
    this.attempts.push(attempt);
    attempt.send(this.shared.targets.of(url, connectMs), {
      path: (this.destination as Destination).path,
      method: this.req.method as string,
      headers,
      body,
      firstByteMs,
      betweenChunksMs: (this.timeouts as Timeouts).betweenChunksMs,
    });
  }

  /** Notes an attempt's outcome as soon as it is known. */
  private judge(attempt: Try, outcome: Outcome): void {
    attempt.outcome ??= outcome;
    if (this.firstOutcome !== null || attempt !== this.attempts[0]) return;
    const { arrival, shared } = this;
    this.firstOutcome = outcome;
    if (outcome === 'ok' || arrival === null) return;
    shared.observer.failed(arrival, outcome, attempt.upstream);
    if (outcome === 'rate_limited' && attempt.upstream === 'serverless') {
      const { path } = this.destination as Destination;
      const { arrivedAtUs, repeatOfUs } = this;
      shared.repeats.refused(arrival.agent, path, this.body, { arrivedAtUs, repeatOfUs });
    }
  }

  /** Sends the call to serverless, once, if the outcome allows it and no byte reached the client. */
  private fallsBack(attempt: Try, outcome: Outcome): boolean {
    if (attempt.upstream !== 'dedicated' || !FALLS_BACK.has(outcome) || this.res.headersSent) return false;
    this.judge(attempt, outcome);
    attempt.settle(outcome, this.nowUs());
    attempt.discard();
    this.delivery = null;
    this.shared.counters.fallbacks++;
    this.tryServerless();
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
    if (attempt.upstream !== 'dedicated' || this.canary === null || this.arrival === null) return null;
    return this.canary.servedModel === this.arrival.model ? null : this.arrival.model;
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
    const { shared } = this;
    const endedAtUs = shared.nowUs();
    if (attempt !== undefined) {
      this.judge(attempt, outcome);
      attempt.settle(outcome, endedAtUs);
    }
    this.isOver = true;
    const call = toRow({
      arrival: this.arrival,
      arrivedAtUs: this.arrivedAtUs,
      endedAtUs,
      kind: this.destination === null ? 'native' : this.destination.kind,
      weight: this.canary === null ? 0 : this.canary.weight,
      attempts: this.attempts,
      delivery: this.delivery,
      isVisible: this.isVisible(outcome),
      madeStatus,
      outcome: this.firstOutcome ?? outcome,
      finalOutcome: outcome,
      hasClientLeft: this.hasClientLeft,
      requestBytes: this.requestBytes,
      repeatOfUs: this.repeatOfUs,
    });
    if (this.repeatOfUs !== null && outcome === 'ok') this.forgetRefusal();
    shared.recorder.record(call, () => {
      shared.live.delete(this);
      finish();
    });
    shared.observer.ended(call);
  }

  private forgetRefusal(): void {
    const { agent } = this.arrival as Arrival;
    this.shared.repeats.served(agent, (this.destination as Destination).path, this.body);
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
