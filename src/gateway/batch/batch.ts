import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { isPlain } from '../request/headers.ts';
import { splitAnswer, joinParts } from './batch-part.ts';
import type { Depths, BatchPart } from './batch-part.ts';

/** What sends requests: a dispatcher of undici, or a substitute. */
export type Sender = Pick<Dispatcher, 'dispatch'>;

/** What is known about how an upstream answers one kind of request. */
export interface AnswerFormat extends Depths {
  /** Its answers cannot be split among the calls of a batch. */
  isUnsupported: boolean;
  /** Clock ms: until then calls are sent separately, because a batch of them failed. */
  separateUntilMs: number;
}

/** What a batch works with. */
export interface BatchContext {
  readonly sender: Sender;
  readonly format: AnswerFormat;
  /** The most items and bytes of all its calls together. */
  readonly most: number;
  readonly mostBytes: number;
  /** Resolves when the batch is to be sent; rejects if it is closed before. */
  readonly wait: (closed: AbortSignal) => Promise<void>;
  /** Called when the batch takes no more calls. */
  closed(batch: Batch): void;
  /** Called when the batch failed as a whole and its calls are sent separately. */
  failed(): void;
}

/** A call's request that is held back until its batch is sent. */
export interface HeldRequest {
  readonly part: BatchPart;
  readonly options: Dispatcher.DispatchOptions;
  readonly handler: Dispatcher.DispatchHandler;
  /** Called if it is sent by itself after all. */
  sentAlone(): void;
}

// These concern the account or the upstream, so that every call gets them. Any other error may be caused by one of the
// calls.
const SHARED_STATUSES: ReadonlySet<number> = new Set([401, 402, 429, 502, 503, 504]);
/** Headers that describe the bytes of the whole answer, and not those of one call's part. */
const BODY_HEADERS = [
  'content-length',
  'transfer-encoding',
  'etag',
  'digest',
  'content-digest',
  'repr-digest',
  'content-md5',
];
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** What an attempt in a batch gets as the controller of its request. */
class MemberController implements Dispatcher.DispatchController {
  readonly request: HeldRequest;
  aborted = false;
  readonly paused = false;
  reason: Error | null = null;
  readonly #batch: Batch;

  constructor(batch: Batch, request: HeldRequest) {
    this.#batch = batch;
    this.request = request;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#batch.leave(this);
  }

  // Each part of the answer is delivered in one piece: there is nothing to pause.
  pause(): void {}
  resume(): void {}
}

/**
 * Calls that are sent to the upstream as one request. Each call gets its own part of the answer, as if it had been sent
 * by itself, and may be aborted at any time. If the answer cannot be split, the calls are sent one by one.
 */
export class Batch implements Dispatcher.DispatchHandler {
  readonly #context: BatchContext;
  #members: MemberController[] = [];
  #items = 0;
  #bytes = 0;
  #stage: 'open' | 'sent' | 'read' | 'passed' | 'over' = 'open';
  readonly #closed = new AbortController();
  #controller: Dispatcher.DispatchController | null = null;
  #headers: IncomingHttpHeaders = {};
  #chunks: Buffer[] = [];
  #received = 0;

  constructor(context: BatchContext) {
    this.#context = context;
    void context.wait(this.#closed.signal).then(
      () => this.send(),
      () => undefined,
    );
  }

  /** Whether a call still fits. */
  hasRoom({ items, bytes }: BatchPart): boolean {
    return this.#items + items.length <= this.#context.most && this.#bytes + bytes <= this.#context.mostBytes;
  }

  /** Adds a call; there must be room for it. */
  add(request: HeldRequest): void {
    const member = new MemberController(this, request);
    this.#members.push(member);
    this.#items += request.part.items.length;
    this.#bytes += request.part.bytes;
    request.handler.onRequestStart?.(member, null);
    if (this.#items >= this.#context.most) this.send();
  }

  /** A member's request was aborted. */
  leave(member: MemberController): void {
    if (this.#stage === 'over') return;
    if (this.#stage === 'open') {
      this.#members = this.#members.filter((other) => other !== member);
      this.#items -= member.request.part.items.length;
      this.#bytes -= member.request.part.bytes;
      if (this.#members.length === 0) this.#close();
    } else if (this.#members.every(({ aborted }) => aborted)) {
      this.#stage = 'over';
      this.#controller?.abort(member.reason as Error);
    }
  }

  /** Sends the calls that are in it. */
  send(): void {
    if (this.#stage !== 'open') return;
    this.#close();
    const members = this.#members;
    const context = this.#context;
    const [first] = members;
    if (first === undefined) return;
    const { options, handler } = first.request;
    if (members.length === 1) {
      context.sender.dispatch(options, handler);
      return;
    }
    this.#stage = 'sent';
    const body = joinParts(members.map(({ request }) => request.part));
    context.sender.dispatch({ ...options, body }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stage === 'over') controller.abort(new Error('cancelled'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#stage !== 'sent' || status < 200) return;
    if (status === 200 && isPlain(headers)) {
      this.#stage = 'read';
      this.#headers = headers;
    } else if (SHARED_STATUSES.has(status)) {
      this.#stage = 'passed';
      this.#each(({ request }, member) => request.handler.onResponseStart?.(member, status, headers));
    } else {
      this.#sendSeparately();
      controller.abort(new Error('not for every call'));
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stage === 'passed') this.#each(({ request }, member) => request.handler.onResponseData?.(member, chunk));
    if (this.#stage !== 'read') return;
    this.#chunks.push(chunk);
    if ((this.#received += chunk.length) <= LARGEST_ANSWER) return;
    this.#sendSeparately();
    controller.abort(new Error('too large'));
  }

  onResponseEnd(_: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#stage === 'read') this.#deliver();
    if (this.#stage === 'passed')
      this.#finish(({ request }, member) => request.handler.onResponseEnd?.(member, trailers));
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    // An invalid header comes from one of the calls. If the answer broke off, it may be complete for each call by
    // itself.
    const isOwn = 'code' in error && error.code === 'UND_ERR_INVALID_ARG';
    if (this.#stage === 'read' || (this.#stage === 'sent' && isOwn)) this.#sendSeparately();
    else if (this.#stage !== 'over')
      this.#finish(({ request }, member) => request.handler.onResponseError?.(member, error));
  }

  #deliver(): void {
    const members = this.#members;
    const context = this.#context;
    const parts = members.map(({ request }) => request.part);
    const answers = splitAnswer(Buffer.concat(this.#chunks), parts, context.format);
    this.#chunks = [];
    if (answers === null) {
      this.#sendSeparately();
      return;
    }
    const headers = { ...this.#headers };
    for (const name of BODY_HEADERS) delete headers[name];
    this.#finish(({ request }, member, n) => {
      const { handler } = request;
      const answer = answers[n] as Buffer;
      handler.onResponseStart?.(member, 200, { ...headers, 'content-length': String(answer.length) });
      if (!member.aborted) handler.onResponseData?.(member, answer);
      if (!member.aborted) handler.onResponseEnd?.(member, {});
    });
  }

  /** Sends each call by itself. */
  #sendSeparately(): void {
    this.#chunks = [];
    this.#context.failed();
    this.#finish(({ request }) => {
      request.sentAlone();
      this.#context.sender.dispatch(request.options, request.handler);
    });
  }

  #finish(report: (member: MemberController, same: MemberController, n: number) => void): void {
    this.#stage = 'over';
    this.#each(report);
  }

  /** For each member that was not aborted. An error of one does not concern the others. */
  #each(report: (member: MemberController, same: MemberController, n: number) => void): void {
    this.#members.forEach((member, n) => {
      if (member.aborted) return;
      try {
        report(member, member, n);
      } catch (error) {
        member.request.handler.onResponseError?.(member, error as Error);
      }
    });
  }

  #close(): void {
    this.#stage = 'over';
    this.#closed.abort();
    this.#context.closed(this);
  }
}
