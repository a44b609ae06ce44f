import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { headerOf } from '../request/headers.ts';
import type { AnswerHeaders } from '../request/headers.ts';

type Sender = Pick<Dispatcher, 'dispatch'>;

const MOST_HOPS = 3;
/** A longer body of a redirect is not read to its end: its connection is closed. */
const MOST_DISCARDED = 64 * 1024;

/**
 * Sends requests as `sender` does, and follows a redirect that keeps the method (307, 308) and leads to the same scheme,
 * host and port: a client that follows it would leave the gateway. Any other redirect is the answer, because its target
 * must not get the credentials that the gateway adds.
 */
export function following(sender: Sender): Sender {
  return {
    dispatch: (options, handler) => sender.dispatch(options, new Follower(sender, options, handler, 0)),
  };
}

/** Passes an answer on as it comes, unless it is a redirect to follow: then the rest of it is thrown away. */
class Follower implements Dispatcher.DispatchHandler {
  readonly #sender: Sender;
  readonly #options: Dispatcher.DispatchOptions;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #hops: number;
  #hasLeft = false;
  #discarded = 0;

  constructor(sender: Sender, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, hops: number) {
    this.#sender = sender;
    this.#options = options;
    this.#handler = handler;
    this.#hops = hops;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    const path = status === 307 || status === 308 ? this.#pathAfter(headers) : null;
    if (path === null) {
      this.#handler.onResponseStart?.(controller, status, headers);
      return;
    }
    this.#hasLeft = true;
    const options = { ...this.#options, path };
    this.#sender.dispatch(options, new Follower(this.#sender, options, this.#handler, this.#hops + 1));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#hasLeft) this.#handler.onResponseData?.(controller, chunk);
    else if ((this.#discarded += chunk.length) > MOST_DISCARDED) controller.abort(new Error('redirected'));
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: AnswerHeaders): void {
    if (!this.#hasLeft) this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#hasLeft) this.#handler.onResponseError?.(controller, error);
  }

  /** The path to ask next; null if the redirect is the answer. A body that streams has been sent and is gone. */
  #pathAfter(headers: AnswerHeaders): string | null {
    const { origin, path, body } = this.#options;
    const location = headerOf(headers, 'location');
    if (location === undefined || this.#hops >= MOST_HOPS || body instanceof Readable) return null;
    const url = URL.parse(location, `${String(origin)}${path}`);
    return url !== null && url.origin === String(origin) ? `${url.pathname}${url.search}` : null;
  }
}
