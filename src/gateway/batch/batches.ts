import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../core/clock.ts';
import type { BatchPolicy } from '../../core/policy/care.ts';
import type { Target } from '../attempt/targets.ts';
import { requestHeaders } from '../request/headers.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import { Batch } from './batch.ts';
import type { AnswerFormat, HeldRequest, Sender } from './batch.ts';
import { depthOf, readPart } from './batch-part.ts';
import type { BatchPart } from './batch-part.ts';

/** The largest body of a batch. */
const MOST_BYTES = 1024 * 1024;
/** Clock ms for which calls are sent separately after a batch of their kind failed. */
const SEPARATE_MS = 30_000;
const MOST_FORMATS = 1_000;

const FEATURES = /^\/hf-inference\/models\/[^/?]+(?:\/[^/?]+)?(?:\/pipeline\/feature-extraction)?(?:\?|$)/;

/** Headers that do not change the answer. Calls that differ in any other header are not batched together. */
const IRRELEVANT = /^(?:user-agent|x-request-id|x-correlation-id|traceparent|tracestate|baggage|x-stainless-.*)$/;

/** Batches calls that ask the same of the same model with the same credentials: they are sent as one request. */
export class Batches {
  readonly #clock: Pick<Clock, 'now' | 'sleep'>;
  readonly #open = new Map<string, Batch>();
  readonly #formats = new Map<string, AnswerFormat>();

  constructor(clock: Pick<Clock, 'now' | 'sleep'>) {
    this.#clock = clock;
  }

  /** The call as a member of a batch; null if it can only be sent by itself. */
  memberFor(incoming: IncomingCall, authorization: string | null, policy: BatchPolicy): BatchMember | null {
    const { destination, method, headers, rawHeaders, body } = incoming;
    const kind = method === 'POST' ? kindOf(destination) : null;
    if (kind === null || !isPlainJson(headers)) return null;
    const part = readPart(kind, body, policy.most, MOST_BYTES);
    if (part === null) return null;
    const request = `${destination.path}\n${part.isTokens}\n${part.before}\n${part.after}`;
    const sent = requestHeaders(rawHeaders, authorization, true);
    return new BatchMember(this, policy, part, {
      key: `${request}\n${keyOf(sent)}`,
      format: this.#formatOf(request),
    });
  }

  /** Whether an open batch has room for the call. */
  hasRoom({ key, part }: BatchMember): boolean {
    return this.#open.get(key)?.hasRoom(part) ?? false;
  }

  /**
   * Whether the call may be batched: how the upstream answers calls of its kind is known, and no batch failed lately.
   */
  canBatch({ format, part }: BatchMember): boolean {
    if (format.isUnsupported || this.#clock.now() < format.separateUntilMs) return false;
    if (part.kind === 'embedding') return true;
    return (part.isSingle ? format.single : format.many) !== null;
  }

  /** Holds the call's request back until its batch is sent. */
  add(member: BatchMember, sender: Sender, request: HeldRequest): void {
    const { key, policy, format } = member;
    let batch = this.#open.get(key);
    if (batch !== undefined && !batch.hasRoom(request.part)) {
      batch.send();
      batch = undefined;
    }
    if (batch === undefined) {
      const clock = this.#clock;
      batch = new Batch({
        sender,
        format,
        most: policy.most,
        mostBytes: MOST_BYTES,
        wait: (closed) => clock.sleep(policy.wait, closed),
        closed: (one) => {
          if (this.#open.get(key) === one) this.#open.delete(key);
        },
        failed: () => {
          format.separateUntilMs = clock.now() + SEPARATE_MS;
        },
      });
      this.#open.set(key, batch);
    }
    batch.add(request);
  }

  #formatOf(request: string): AnswerFormat {
    let format = this.#formats.get(request);
    if (format !== undefined) return format;
    const [oldest] = this.#formats.keys();
    if (this.#formats.size >= MOST_FORMATS && oldest !== undefined) this.#formats.delete(oldest);
    format = { single: null, many: null, isUnsupported: false, separateUntilMs: 0 };
    this.#formats.set(request, format);
    return format;
  }
}

/** One call that may be batched: its part of a batch, and the batch that it belongs to. */
export class BatchMember {
  /** Calls with the same key may share a batch. */
  readonly key: string;
  readonly format: AnswerFormat;
  readonly policy: BatchPolicy;
  readonly part: BatchPart;
  readonly #batches: Batches;

  constructor(
    batches: Batches,
    policy: BatchPolicy,
    part: BatchPart,
    { key, format }: { readonly key: string; readonly format: AnswerFormat },
  ) {
    this.#batches = batches;
    this.policy = policy;
    this.part = part;
    this.key = key;
    this.format = format;
  }

  /** Whether a batch is about to be sent that has room for the call. */
  get canJoinBatch(): boolean {
    return this.#batches.canBatch(this) && this.#batches.hasRoom(this);
  }

  /** A target that sends the call in a batch. `sentAlone` is called if the call is sent by itself after all. */
  wrap({ origin, prefix, dispatcher: sender }: Target, sentAlone: () => void): Target {
    const dispatch = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean => {
      const { part, format } = this;
      const batches = this.#batches;
      if (batches.canBatch(this)) batches.add(this, sender, { part, options, handler, sentAlone });
      else if (part.kind === 'embedding' || format.isUnsupported) return sender.dispatch(options, handler);
      else return sender.dispatch(options, new FormatReader(handler, format, part.isSingle));
      return true;
    };
    return { origin, prefix, dispatcher: { dispatch } };
  }
}

/** Passes an answer on as it comes, and learns from its beginning how the upstream answers. */
class FormatReader implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #format: AnswerFormat;
  readonly #isSingle: boolean;
  #isAtStart = false;

  constructor(handler: Dispatcher.DispatchHandler, format: AnswerFormat, isSingle: boolean) {
    this.#handler = handler;
    this.#format = format;
    this.#isSingle = isSingle;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#isAtStart = status === 200 && headers['content-encoding'] === undefined;
    this.#handler.onResponseStart?.(controller, status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isAtStart) this.#readFormat(chunk.toString('latin1', 0, 64));
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error);
  }

  #readFormat(text: string): void {
    this.#isAtStart = false;
    const depth = depthOf(text);
    // If there are only brackets so far, the format is not known yet.
    if (depth === null) this.#format.isUnsupported = !/^[\s[]*$/.test(text);
    else if (this.#isSingle) this.#format.single = depth;
    else this.#format.many = depth;
  }
}

function kindOf({ kind, path }: IncomingCall['destination']): BatchPart['kind'] | null {
  if (kind === 'embedding') return 'embedding';
  return kind === 'native' && FEATURES.test(path) ? 'features' : null;
}

function isPlainJson(headers: IncomingHttpHeaders): boolean {
  const { 'content-encoding': encoding, 'content-type': type } = headers;
  return encoding === undefined && (type === undefined || type.includes('json'));
}

function keyOf(headers: readonly string[]): string {
  let key = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (!IRRELEVANT.test(name)) key += `${name}: ${headers[i + 1]}\n`;
  }
  return key;
}
