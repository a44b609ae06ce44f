import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { isPlain } from '../request/headers.ts';
import { dealAnswer, joinPortions } from './portion.ts';
import type { Depths, Portion } from './portion.ts';

/** What sends requests: undici's dispatchers, or a stand-in. */
export type Sender = Pick<Dispatcher, 'dispatch'>;

/** What is known of how an upstream answers a kind of request. */
export interface Manner extends Depths {
  /** It answers something else. */
  isOther: boolean;
  /** Clock ms: until then calls go by themselves, since a batch of them failed. */
  aloneUntilMs: number;
}

/** What a batch needs to know. */
export interface Terms {
  readonly sender: Sender;
  readonly manner: Manner;
  /** Items and bytes of all its calls together, at most. */
  readonly most: number;
  readonly mostBytes: number;
  /** Real ms. */
  readonly waitMs: number;
  /** It takes no more calls. */
  closed(batch: Batch): void;
  /** It failed as a whole. */
  failed(): void;
}

/** A call's request, held back so that it goes with others. */
export interface Rider {
  readonly portion: Portion;
  readonly options: Dispatcher.DispatchOptions;
  readonly handler: Dispatcher.DispatchHandler;
  /** It is sent by itself after all. */
  alone(): void;
}

// Said of the account or of the upstream, whatever the calls hold. Of anything else one of the calls may be the cause.
const OF_ALL: ReadonlySet<number> = new Set([401, 402, 429, 502, 503, 504]);
/** Headers that are about the bytes of the whole answer. */
const OF_BYTES = [
  'content-length',
  'transfer-encoding',
  'etag',
  'digest',
  'content-digest',
  'repr-digest',
  'content-md5',
];
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** One call's end of a batch: what its attempt holds for the controller of its request. */
class Place implements Dispatcher.DispatchController {
  readonly rider: Rider;
  aborted = false;
  readonly paused = false;
  reason: Error | null = null;
  private readonly batch: Batch;

  constructor(batch: Batch, rider: Rider) {
    this.batch = batch;
    this.rider = rider;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.batch.left(this);
  }

  // Its answer is given in one piece: there is nothing to hold back.
  pause(): void {}
  resume(): void {}
}

/**
 * Calls that go to the upstream as one request. Each has its own end of it: it gets its own part of the answer as if it had
 * been sent by itself, and may leave at any time. Where an answer is no good for all of them, they are sent one by one.
 */
export class Batch implements Dispatcher.DispatchHandler {
  private readonly terms: Terms;
  private places: Place[] = [];
  private items = 0;
  private bytes = 0;
  private stage: 'open' | 'sent' | 'read' | 'passed' | 'over' = 'open';
  private readonly timer: NodeJS.Timeout;
  private controller: Dispatcher.DispatchController | null = null;
  private headers: IncomingHttpHeaders = {};
  private chunks: Buffer[] = [];
  private received = 0;

  constructor(terms: Terms) {
    this.terms = terms;
    this.timer = setTimeout(() => this.send(), terms.waitMs);
  }

  hasRoom({ items, bytes }: Portion): boolean {
    return this.items + items.length <= this.terms.most && this.bytes + bytes <= this.terms.mostBytes;
  }

  /** Takes a call in; there must be room for it. */
  add(rider: Rider): void {
    const place = new Place(this, rider);
    this.places.push(place);
    this.items += rider.portion.items.length;
    this.bytes += rider.portion.bytes;
    rider.handler.onRequestStart?.(place, null);
    if (this.items >= this.terms.most) this.send();
  }

  /** Somebody does not wait any more. */
  left(place: Place): void {
    if (this.stage === 'over') return;
    if (this.stage === 'open') {
      this.places = this.places.filter((other) => other !== place);
      this.items -= place.rider.portion.items.length;
      this.bytes -= place.rider.portion.bytes;
      if (this.places.length === 0) this.close();
    } else if (this.places.every(({ aborted }) => aborted)) {
      this.stage = 'over';
      this.controller?.abort(place.reason as Error);
    }
  }

  /** Sends what has come together. */
  send(): void {
    if (this.stage !== 'open') return;
    this.close();
    const { places, terms } = this;
    const [first] = places;
    if (first === undefined) return;
    const { options, handler } = first.rider;
    if (places.length === 1) {
      terms.sender.dispatch(options, handler);
      return;
    }
    this.stage = 'sent';
    const body = joinPortions(places.map(({ rider }) => rider.portion));
    terms.sender.dispatch({ ...options, body }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.stage === 'over') controller.abort(new Error('cancelled'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.stage !== 'sent' || status < 200) return;
    if (status === 200 && isPlain(headers)) {
      this.stage = 'read';
      this.headers = headers;
    } else if (OF_ALL.has(status)) {
      this.stage = 'passed';
      this.each(({ rider }, place) => rider.handler.onResponseStart?.(place, status, headers));
    } else {
      this.scatter();
      controller.abort(new Error('of no use'));
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.stage === 'passed') this.each(({ rider }, place) => rider.handler.onResponseData?.(place, chunk));
    if (this.stage !== 'read') return;
    this.chunks.push(chunk);
    if ((this.received += chunk.length) <= LARGEST_ANSWER) return;
    this.scatter();
    controller.abort(new Error('too large'));
  }

  onResponseEnd(_: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.stage === 'read') this.deal();
    if (this.stage === 'passed') this.finish(({ rider }, place) => rider.handler.onResponseEnd?.(place, trailers));
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    // A header that cannot be sent is one call's own; an answer that broke off may be whole for each by itself.
    const isOwn = 'code' in error && error.code === 'UND_ERR_INVALID_ARG';
    if (this.stage === 'read' || (this.stage === 'sent' && isOwn)) this.scatter();
    else if (this.stage !== 'over') this.finish(({ rider }, place) => rider.handler.onResponseError?.(place, error));
  }

  private deal(): void {
    const { places, terms } = this;
    const portions = places.map(({ rider }) => rider.portion);
    const parts = dealAnswer(Buffer.concat(this.chunks), portions, terms.manner);
    this.chunks = [];
    if (parts === null) {
      this.scatter();
      return;
    }
    const headers = { ...this.headers };
    for (const name of OF_BYTES) delete headers[name];
    this.finish(({ rider }, place, n) => {
      const { handler } = rider;
      const part = parts[n] as Buffer;
      handler.onResponseStart?.(place, 200, { ...headers, 'content-length': String(part.length) });
      if (!place.aborted) handler.onResponseData?.(place, part);
      if (!place.aborted) handler.onResponseEnd?.(place, {});
    });
  }

  /** Sends each call by itself, as it would have been sent without the others. */
  private scatter(): void {
    this.chunks = [];
    this.terms.failed();
    this.finish(({ rider }) => {
      rider.alone();
      this.terms.sender.dispatch(rider.options, rider.handler);
    });
  }

  private finish(tell: (place: Place, same: Place, n: number) => void): void {
    this.stage = 'over';
    this.each(tell);
  }

  /** For each that is still there. What goes wrong with one does not concern the others. */
  private each(tell: (place: Place, same: Place, n: number) => void): void {
    this.places.forEach((place, n) => {
      if (place.aborted) return;
      try {
        tell(place, place, n);
      } catch (error) {
        place.rider.handler.onResponseError?.(place, error as Error);
      }
    });
  }

  private close(): void {
    this.stage = 'over';
    clearTimeout(this.timer);
    this.terms.closed(this);
  }
}
