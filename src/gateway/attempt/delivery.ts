import type { ServerResponse } from 'node:http';
import type { Usage } from '../../core/answer/output.ts';
import type { FormMemory } from '../../core/form/memory.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { UpstreamKind } from '../../core/route.ts';
import { ATTEMPTS_HEADER, headerOf, isEventStream, isPlain, responseHeaders } from '../request/headers.ts';
import type { Attempt } from './attempt.ts';
import { readerFor } from './answer-reader.ts';
import type { AnswerReader } from './answer-reader.ts';
import { outcomeOfStatus } from './outcome.ts';
import { EventSplicer, spliceModel } from './splice.ts';
import type { AnswerHeaders } from '../request/headers.ts';

/** An upstream's answer before its body, and how it is to be passed on. */
export interface Head {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Whether the call is in one of OpenAI's or Anthropic's formats. */
  readonly isOpenAi: boolean;
  /** The model's name for the client, if the endpoint uses another one; otherwise null. */
  readonly renamed: string | null;
  /** The provider that answers behind the router of serverless; null if it is not known. */
  readonly provider: string | null;
  /** How many attempts the call took, this one included. */
  readonly attempts: number;
  /** Seconds after which the client may ask again, added if the answer does not say it; null: nothing is added. */
  readonly retryAfter: number | null;
  /** For what the answer holds, to learn its form; null if nobody wants that. */
  readonly memory: FormMemory | null;
}

const LARGEST_WHOLE = 256 * 1024;
const LARGEST_RENAMED = 32 * 1024 * 1024;
const LARGEST_HELD = 64 * 1024;
const SMALL_BODY = 8 * 1024;
const COLON = 0x3a;

/**
 * Passes one answer on to the client. Small answers of known length are kept and sent in one piece. Others are streamed
 * with back-pressure. In both cases the end of the message is sent only when the function that `finish` returns is
 * called.
 *
 * An endpoint's stream is held until its first output, because until then serverless can still answer in its place. Its
 * other answers of unknown length are kept like small ones, for the same reason.
 */
export class Delivery {
  readonly status: number;
  readonly upstream: UpstreamKind;
  firstByteAtUs: number;
  firstTokenAtUs: number | null = null;
  sentBytes = 0;
  readonly provider: string | null;
  readonly #res: ServerResponse;
  readonly #attempt: Attempt;
  readonly #head: Head;
  readonly #isEvents: boolean;
  readonly #isReadable: boolean;
  /** Null for an answer without a success status, and for one to a HEAD, which has no body. */
  readonly #reader: AnswerReader | null;
  readonly #length: number;
  #wholeLimit: number;
  /** Whether an endpoint's stream is kept only until its first output. */
  #isHeld: boolean;
  #kept: Buffer[] | null = [];
  #keptBytes = 0;
  #received = 0;
  #last: Buffer | null = null;
  #splicer: EventSplicer | null = null;
  #isWaiting = false;

  constructor(res: ServerResponse, attempt: Attempt, head: Head) {
    this.#res = res;
    this.#attempt = attempt;
    this.#head = head;
    this.status = head.status;
    this.upstream = attempt.upstream;
    this.provider = head.provider;
    this.firstByteAtUs = attempt.firstByteAtUs as number;
    const { headers } = head;
    this.#isEvents = isEventStream(headers);
    this.#isReadable = isPlain(headers);
    const isRead = head.status < 300 && res.req.method !== 'HEAD';
    this.#reader = isRead ? readerFor(headers, head.isOpenAi, head.memory) : null;
    this.#length = lengthOf(head);
    this.#isHeld = this.upstream === 'dedicated' && this.#isEvents && this.#isReadable && head.status < 400;
    this.#wholeLimit = this.#limitOfWhole();
    if (this.#wholeLimit < 0) this.#stream();
  }

  /** Takes the next piece of the body. `clock`: for the time of the first token. */
  chunk(chunk: Buffer, clock: { nowUs(): number }): void {
    this.#received += chunk.length;
    if (this.#reader !== null && this.#reader.chunk(chunk)) this.firstTokenAtUs = clock.nowUs();
    if (this.#kept === null) {
      this.#forward(chunk);
      return;
    }
    this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
    if (this.#keptBytes <= this.#wholeLimit && !this.#mayGo(chunk)) return;
    const early = this.#kept;
    if (this.#isHeld) this.firstByteAtUs = clock.nowUs();
    this.#stream();
    for (const each of early) this.#forward(each);
  }

  /** How the answer was; to be asked once the upstream's message is complete. */
  judge(): Outcome {
    return this.#reader === null ? outcomeOfStatus(this.status, this.upstream) : this.#reader.end();
  }

  /** The upstream's message is complete. Returns a function that sends the end of ours. */
  finish(): () => void {
    return this.#kept === null ? this.#finishStream() : this.#finishWhole(this.#kept);
  }

  /** Whether the model has finished, even if more bytes may come. */
  get isComplete(): boolean {
    return this.#reader !== null && this.#reader.isComplete;
  }

  /** Whether the answer has no output; null if that is not known. To be asked once its message is complete. */
  get isEmpty(): boolean | null {
    const hasOutput = this.#reader === null ? null : this.#reader.hasOutput;
    return hasOutput === null ? null : !hasOutput;
  }

  /** The tokens that the upstream counted; null if the answer has none. */
  get usage(): Usage | null {
    return this.#reader === null ? null : this.#reader.usage;
  }

  /** What reads the answer; null if nothing does. */
  get reader(): AnswerReader | null {
    return this.#reader;
  }

  /** Nobody will ask for what the answer holds any more. */
  release(): void {
    if (this.#reader !== null) this.#reader.release();
  }

  /** The most bytes that are kept before any is passed on; -1: the answer is passed on as it comes. */
  #limitOfWhole(): number {
    const { renamed, isOpenAi, status } = this.#head;
    if (this.#isHeld) return LARGEST_HELD;
    if (this.#isEvents) return -1;
    if (renamed !== null && this.#isReadable) return LARGEST_RENAMED;
    // An endpoint's answer may turn out to be none, as a page of a proxy, whose length is often not declared.
    const mayBeNone = this.upstream === 'dedicated' && isOpenAi && status < 300 && this.#length < 0;
    return this.#isSmall || mayBeNone ? LARGEST_WHOLE : -1;
  }

  get #isSmall(): boolean {
    return this.#length >= 0 && this.#length <= LARGEST_WHOLE;
  }

  /**
   * Whether what was kept is passed on now: it is a stream, declared or not, that has output; or it is a held one that is
   * complete, or that says by a comment that it is alive.
   */
  #mayGo(chunk: Buffer): boolean {
    return this.firstTokenAtUs !== null || (this.#isHeld && (this.isComplete || chunk[0] === COLON));
  }

  #stream(): void {
    const head = this.#head;
    const res = this.#res;
    this.#kept = null;
    this.#isHeld = false;
    if (head.renamed !== null && this.#isEvents && this.#isReadable) this.#splicer = new EventSplicer(head.renamed);
    const headers = headersOf(head, this.upstream);
    if (this.#length >= 0 && this.#splicer === null) headers.push('content-length', String(this.#length));
    res.writeHead(head.status, headers);
    res.flushHeaders();
  }

  #forward(chunk: Buffer): void {
    const out = this.#splicer === null ? chunk : this.#splicer.push(chunk);
    if (out.length === 0) return;
    if (this.#length >= 0 && this.#received >= this.#length && this.#splicer === null) {
      if (this.#last !== null) this.#write(this.#last);
      this.#last = out;
    } else this.#write(out);
  }

  #write(chunk: Buffer): void {
    this.sentBytes += chunk.length;
    if (this.#res.write(chunk) || this.#isWaiting) return;
    this.#isWaiting = true;
    this.#attempt.pause();
    this.#res.once('drain', () => {
      this.#isWaiting = false;
      this.#attempt.resume();
    });
  }

  #finishStream(): () => void {
    const res = this.#res;
    const rest = this.#splicer === null ? null : this.#splicer.flush();
    if (rest !== null && rest.length > 0) this.#write(rest);
    const last = this.#last;
    if (last === null) return () => res.end();
    this.sentBytes += last.length;
    return () => res.end(last);
  }

  #renamed(body: Buffer, model: string): Buffer {
    if (!this.#isEvents) return spliceModel(body, model);
    const splicer = new EventSplicer(model);
    return Buffer.concat([splicer.push(body), splicer.flush()]);
  }

  #finishWhole(kept: readonly Buffer[]): () => void {
    const res = this.#res;
    const head = this.#head;
    let body = kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept);
    if (head.renamed !== null && this.#isReadable) body = this.#renamed(body, head.renamed);
    this.sentBytes = body.length;
    const headers = headersOf(head, this.upstream);
    // The answer to a HEAD states the length of a body that does not come.
    const length = res.req.method === 'HEAD' ? this.#length : body.length;
    if (head.status !== 204 && head.status !== 304) headers.push('content-length', String(length));
    if (body.length > SMALL_BODY) {
      return () => {
        res.writeHead(head.status, headers);
        res.end(body);
      };
    }
    // Node sends a small body in one write together with its headers only if it is a string.
    const text = body.toString('latin1');
    return () => {
      res.writeHead(head.status, headers);
      res.end(text, 'latin1');
    };
  }
}

function headersOf({ headers, attempts, retryAfter }: Head, upstream: UpstreamKind): string[] {
  const out = responseHeaders(headers, upstream);
  if (attempts > 1) out.push(ATTEMPTS_HEADER, String(attempts));
  if (retryAfter !== null && headers['retry-after'] === undefined) out.push('retry-after', String(retryAfter));
  return out;
}

/** The declared length of a body in bytes; -1 if it is not declared. */
function lengthOf({ status, headers }: Head): number {
  if (status === 204 || status === 304) return 0;
  const text = headerOf(headers, 'content-length');
  return text === undefined ? -1 : Number(text);
}
