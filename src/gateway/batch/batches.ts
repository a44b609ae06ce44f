import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../core/clock.ts';
import type { BatchPolicy } from '../../core/policy/care.ts';
import type { Way } from '../attempt/targets.ts';
import { requestHeaders } from '../request/headers.ts';
import type { Asked } from '../request/question.ts';
import { Batch } from './batch.ts';
import type { Manner, Rider, Sender } from './batch.ts';
import { depthOf, readPortion } from './portion.ts';
import type { Portion } from './portion.ts';

/** A batch's body, at most. */
const MOST_BYTES = 1024 * 1024;
/** Clock ms. */
const ALONE_MS = 30_000;
const MOST_MANNERS = 1_000;

const FEATURES = /^\/hf-inference\/models\/[^/?]+(?:\/[^/?]+)?(?:\/pipeline\/feature-extraction)?(?:\?|$)/;

/** Headers that say nothing of what is asked; calls that differ in any other do not go together. */
const SAYS_NOTHING = /^(?:user-agent|x-request-id|x-correlation-id|traceparent|tracestate|baggage|x-stainless-.*)$/;

/** Brings calls together that ask the same of the same model on the same account, so that they go as one request. */
export class Batches {
  private readonly clock: Pick<Clock, 'now' | 'scale'>;
  private readonly open = new Map<string, Batch>();
  private readonly manners = new Map<string, Manner>();

  constructor(clock: Pick<Clock, 'now' | 'scale'>) {
    this.clock = clock;
  }

  /** A call's seat; null where it can only go by itself. */
  seatFor(asked: Asked, authorization: string | null, policy: BatchPolicy): Seat | null {
    const { destination, method, headers, rawHeaders, body } = asked;
    const kind = method === 'POST' ? kindOf(destination) : null;
    if (kind === null || !isPlainJson(headers)) return null;
    const portion = readPortion(kind, body, policy.most, MOST_BYTES);
    if (portion === null) return null;
    const question = `${destination.path}\n${portion.isTokens}\n${portion.before}\n${portion.after}`;
    const sent = requestHeaders(rawHeaders, authorization, true);
    return new Seat(this, policy, portion, { key: `${question}\n${keyOf(sent)}`, manner: this.mannerOf(question) });
  }

  /** Whether a batch is open that has room for a call. */
  hasRoom({ key, portion }: Seat): boolean {
    return this.open.get(key)?.hasRoom(portion) ?? false;
  }

  /** Whether a call may go with others by what is known of the upstream. */
  isKnown({ manner, portion }: Seat): boolean {
    if (manner.isOther || this.clock.now() < manner.aloneUntilMs) return false;
    if (portion.kind === 'embedding') return true;
    return (portion.isSingle ? manner.single : manner.many) !== null;
  }

  /** Holds a call's request back, to go with others. */
  add(seat: Seat, sender: Sender, rider: Rider): void {
    const { key, policy, manner } = seat;
    let batch = this.open.get(key);
    if (batch !== undefined && !batch.hasRoom(rider.portion)) {
      batch.send();
      batch = undefined;
    }
    if (batch === undefined) {
      const { clock } = this;
      batch = new Batch({
        sender,
        manner,
        most: policy.most,
        mostBytes: MOST_BYTES,
        waitMs: policy.wait / clock.scale,
        closed: (one) => {
          if (this.open.get(key) === one) this.open.delete(key);
        },
        failed: () => {
          manner.aloneUntilMs = clock.now() + ALONE_MS;
        },
      });
      this.open.set(key, batch);
    }
    batch.add(rider);
  }

  private mannerOf(question: string): Manner {
    let manner = this.manners.get(question);
    if (manner !== undefined) return manner;
    const [oldest] = this.manners.keys();
    if (this.manners.size >= MOST_MANNERS && oldest !== undefined) this.manners.delete(oldest);
    manner = { single: null, many: null, isOther: false, aloneUntilMs: 0 };
    this.manners.set(question, manner);
    return manner;
  }
}

/** What one call would bring to a batch, and which batch that is. */
export class Seat {
  readonly key: string;
  readonly manner: Manner;
  readonly policy: BatchPolicy;
  readonly portion: Portion;
  private readonly batches: Batches;

  constructor(
    batches: Batches,
    policy: BatchPolicy,
    portion: Portion,
    { key, manner }: { readonly key: string; readonly manner: Manner },
  ) {
    this.batches = batches;
    this.policy = policy;
    this.portion = portion;
    this.key = key;
    this.manner = manner;
  }

  /** Whether a request is about to set out that has room for the call. */
  get canRide(): boolean {
    return this.batches.isKnown(this) && this.batches.hasRoom(this);
  }

  /** The way to a target that takes the call along with others. `alone` is told where it goes by itself after all. */
  through({ origin, prefix, dispatcher: sender }: Way, alone: () => void): Way {
    const dispatch = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean => {
      const { batches, portion, manner } = this;
      if (batches.isKnown(this)) batches.add(this, sender, { portion, options, handler, alone });
      else if (portion.kind === 'embedding' || manner.isOther) return sender.dispatch(options, handler);
      else return sender.dispatch(options, new Look(handler, manner, portion.isSingle));
      return true;
    };
    return { origin, prefix, dispatcher: { dispatch } };
  }
}

/** Passes an answer on as it comes, and notes by its beginning how the upstream answers. */
class Look implements Dispatcher.DispatchHandler {
  private readonly handler: Dispatcher.DispatchHandler;
  private readonly manner: Manner;
  private readonly isSingle: boolean;
  private isLooking = false;

  constructor(handler: Dispatcher.DispatchHandler, manner: Manner, isSingle: boolean) {
    this.handler = handler;
    this.manner = manner;
    this.isSingle = isSingle;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.isLooking = status === 200 && headers['content-encoding'] === undefined;
    this.handler.onResponseStart?.(controller, status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isLooking) this.look(chunk.toString('latin1', 0, 64));
    this.handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.handler.onResponseError?.(controller, error);
  }

  private look(text: string): void {
    this.isLooking = false;
    const depth = depthOf(text);
    // Brackets alone may be the beginning of anything.
    if (depth === null) this.manner.isOther = !/^[\s[]*$/.test(text);
    else if (this.isSingle) this.manner.single = depth;
    else this.manner.many = depth;
  }
}

function kindOf({ kind, path }: Asked['destination']): Portion['kind'] | null {
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
