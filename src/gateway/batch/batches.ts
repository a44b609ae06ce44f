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

/** A batch's body, at most. */
const MOST_BYTES = 1024 * 1024;
/** Clock ms. */
const SEPARATE_MS = 30_000;
const MOST_FORMATS = 1_000;

const FEATURES = /^\/hf-inference\/models\/[^/?]+(?:\/[^/?]+)?(?:\/pipeline\/feature-extraction)?(?:\?|$)/;

/** Headers that say nothing of what is incoming; calls that differ in any other do not go together. */
const SAYS_NOTHING = /^(?:user-agent|x-request-id|x-correlation-id|traceparent|tracestate|baggage|x-stainless-.*)$/;

/** Brings calls together that ask the same of the same model on the same account, so that they go as one request. */
export class Batches {
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  readonly #open = new Map<string, Batch>();
  readonly #formats = new Map<string, AnswerFormat>();

  constructor(clock: Pick<Clock, 'now' | 'scale'>) {
    this.#clock = clock;
  }

  /** A call's member; null where it can only go by itself. */
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

  /** Whether a batch is open that has room for a call. */
  hasRoom({ key, part }: BatchMember): boolean {
    return this.#open.get(key)?.hasRoom(part) ?? false;
  }

  /** Whether a call may go with others by what is known of the upstream. */
  isKnown({ format, part }: BatchMember): boolean {
    if (format.isOther || this.#clock.now() < format.separateUntilMs) return false;
    if (part.kind === 'embedding') return true;
    return (part.isSingle ? format.single : format.many) !== null;
  }

  /** Holds a call's request back, to go with others. */
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
        waitMs: policy.wait / clock.scale,
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
    format = { single: null, many: null, isOther: false, separateUntilMs: 0 };
    this.#formats.set(request, format);
    return format;
  }
}

/** What one call would bring to a batch, and which batch that is. */
export class BatchMember {
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

  /** Whether a request is about to set out that has room for the call. */
  get canJoinBatch(): boolean {
    return this.#batches.isKnown(this) && this.#batches.hasRoom(this);
  }

  /** The way to a target that takes the call along with others. `alone` is told where it goes by itself after all. */
  wrap({ origin, prefix, dispatcher: sender }: Target, sentAlone: () => void): Target {
    const dispatch = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean => {
      const { part, format } = this;
      const batches = this.#batches;
      if (batches.isKnown(this)) batches.add(this, sender, { part, options, handler, sentAlone });
      else if (part.kind === 'embedding' || format.isOther) return sender.dispatch(options, handler);
      else return sender.dispatch(options, new FormatReader(handler, format, part.isSingle));
      return true;
    };
    return { origin, prefix, dispatcher: { dispatch } };
  }
}

/** Passes an answer on as it comes, and notes by its beginning how the upstream answers. */
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
    // Brackets alone may be the beginning of anything.
    if (depth === null) this.#format.isOther = !/^[\s[]*$/.test(text);
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
    if (!SAYS_NOTHING.test(name)) key += `${name}: ${headers[i + 1]}\n`;
  }
  return key;
}
