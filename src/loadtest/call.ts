import { request as requestPlain } from 'node:http';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Clock } from '../core/clock.ts';
import { Answer } from './answer.ts';

/** The target of an agent's calls. */
export interface Target {
  readonly url: URL;
  readonly agent: Agent;
  readonly clock: Clock;
  /** Sent as credentials; undefined: none are sent. */
  readonly token: string | undefined;
  /** Real milliseconds after which a request that has not ended is aborted. */
  readonly timeoutMs: number;
}

/**
 * How a request ends: a complete answer, a refusal (429), one of the other failures, or cut off by the load test
 * itself.
 */
export type EndKind = 'ok' | 'refused' | FailureKind | 'cut';
type FailureKind = 'server' | 'connection' | 'timeout' | 'other';

/** The end of a request as the agent sees it; times in clock milliseconds since it was sent. */
export interface Ended {
  readonly kind: EndKind;
  /** 0 if there was no status. */
  readonly status: number;
  /** Why it is a failure; undefined for a complete 2xx, for a 429, and for a request that was cut off. */
  readonly failure: string | undefined;
  readonly durationMs: number;
  readonly firstByteMs: number;
  /** Of a stream; null for other answers, and if no token came. */
  readonly firstTokenMs: number | null;
  /** The wait that `Retry-After` asks for. */
  readonly retryAfterMs: number | undefined;
  /** The gateway's attempts, from its header `x-upshift-attempts`; 1 if the header is missing. */
  readonly attempts: number;
}

export interface CallWish {
  readonly agentName: string | undefined;
  readonly body: string;
  readonly isStreamed: boolean;
  /** Cuts the call off. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends one chat call and reads its answer to the end. Never rejects. */
export function makeCall(target: Target, wish: CallWish): Promise<Ended> {
  return new Promise((resolve) => new Exchange(target, wish, resolve).start());
}

/** One request from its sending to its end; the end is reported once. */
class Exchange {
  readonly #target: Target;
  readonly #wish: CallWish;
  readonly #resolve: (ended: Ended) => void;
  #answer: Answer;
  readonly #startedAt: number;
  #outgoing: ClientRequest | undefined;
  #incoming: IncomingMessage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #firstByteMs = 0;
  #firstTokenMs: number | null = null;

  constructor(target: Target, wish: CallWish, resolve: (ended: Ended) => void) {
    this.#target = target;
    this.#wish = wish;
    this.#resolve = resolve;
    this.#answer = new Answer(wish.isStreamed);
    this.#startedAt = target.clock.now();
  }

  start(): void {
    const { signal, body } = this.#wish;
    if (signal?.aborted === true) return this.#end('cut', undefined);
    const outgoing = this.#open();
    this.#outgoing = outgoing;
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      this.#end('connection', `no answer: ${error.code ?? error.message}`);
    });
    outgoing.on('response', (incoming) => this.#read(incoming));
    const { timeoutMs } = this.#target;
    this.#timer = setTimeout(() => this.#end('timeout', `not answered within ${timeoutMs} ms`), timeoutMs);
    signal?.addEventListener('abort', this.#cut, { once: true });
    outgoing.end(body);
  }

  #open(): ClientRequest {
    const { url, agent, token } = this.#target;
    const { agentName, body } = this.#wish;
    const request = url.protocol === 'https:' ? requestSecure : requestPlain;
    return request(url, {
      method: 'POST',
      agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(agentName === undefined ? {} : { 'x-agent-id': agentName }),
      },
    });
  }

  readonly #cut = () => this.#end('cut', undefined);

  #read(incoming: IncomingMessage): void {
    const status = incoming.statusCode ?? 0;
    const isGood = status >= 200 && status <= 299;
    this.#incoming = incoming;
    this.#firstByteMs = this.#passedMs();
    if (!isGood) this.#answer = new Answer(false);
    incoming.setEncoding('utf8');
    incoming.on('data', (piece: string) => {
      if (this.#answer.take(piece)) this.#firstTokenMs = this.#passedMs();
      if (this.#answer.isTooLong) this.#end('other', `an answer of over ${this.#answer.length - 1} characters`);
    });
    const refuse = () => this.#refuse(status);
    const breaks = (error: NodeJS.ErrnoException) => {
      this.#end('connection', `broken off after ${this.#answer.length} characters: ${error.code ?? error.message}`);
    };
    incoming.on('end', isGood ? () => this.#judge() : refuse);
    incoming.on('error', isGood ? breaks : refuse);
  }

  #refuse(status: number): void {
    if (status === 429) this.#end('refused', undefined);
    else this.#end(status >= 500 ? 'server' : 'other', `status ${status}: ${this.#answer.start}`);
  }

  #judge(): void {
    const fault = this.#answer.findFault();
    this.#end(fault === undefined ? 'ok' : 'other', fault);
  }

  /** Ends the request; later events are ignored. */
  #end(kind: EndKind, failure: string | undefined): void {
    clearTimeout(this.#timer);
    this.#wish.signal?.removeEventListener('abort', this.#cut);
    const { token } = this.#target;
    // A server may repeat the credentials that it refuses.
    const reason = token === undefined ? failure : failure?.replaceAll(token, '***');
    this.#resolve({
      kind,
      status: this.#incoming?.statusCode ?? 0,
      failure: reason,
      durationMs: this.#passedMs(),
      firstByteMs: this.#firstByteMs,
      firstTokenMs: this.#firstTokenMs,
      retryAfterMs: readRetryAfter(this.#incoming),
      attempts: readAttempts(this.#incoming),
    });
    if (this.#incoming?.complete !== true) this.#outgoing?.destroy();
  }

  #passedMs(): number {
    return this.#target.clock.now() - this.#startedAt;
  }
}

/** Seconds count as clock time; a date is ignored. */
function readRetryAfter(incoming: IncomingMessage | undefined): number | undefined {
  const seconds = Number(incoming?.headers['retry-after'] ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}

const MOST_ATTEMPTS = 100;

function readAttempts(incoming: IncomingMessage | undefined): number {
  const count = Number(incoming?.headers['x-upshift-attempts'] ?? 1);
  return Number.isInteger(count) && count >= 1 && count <= MOST_ATTEMPTS ? count : 1;
}
