import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { UpstreamKind } from '../../core/route.ts';
import { ATTEMPTS_HEADER, isEventStream, isPlain, responseHeaders } from '../request/headers.ts';
import type { Attempt } from './attempt.ts';
import { Meter, readUsage } from './meter.ts';
import type { Usage } from './meter.ts';
import { saysPaused } from './outcome.ts';
import { EventSplicer, spliceModel } from './splice.ts';

/** An upstream's answer before its body, and how it is to be passed on. */
export interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Whether the body must be read before any of it is sent, because it may say that the endpoint is paused. */
  readonly mayBePaused: boolean;
  /** The model's name for the client, if the endpoint uses another one; otherwise null. */
  readonly renamed: string | null;
  /** The provider that answers behind the router of serverless; null if it is not known. */
  readonly provider: string | null;
  /** How many attempts the call took, this one included. */
  readonly attempts: number;
  /** Seconds after which the client may ask again, added if the answer does not say it; null: nothing is added. */
  readonly retryAfter: number | null;
}

const LARGEST_WHOLE = 256 * 1024;
const LARGEST_RENAMED = 32 * 1024 * 1024;
const LARGEST_PAUSED = 64 * 1024;
const USAGE_NEAR_END = 16 * 1024;
const SMALL_BODY = 8 * 1024;

/**
 * Passes one answer on to the client. Small answers of known length are kept and sent in one piece. Others are streamed
 * with back-pressure. In both cases the end of the message is sent only when the function that `finish` returns is
 * called.
 */
export class Delivery {
  readonly status: number;
  readonly upstream: UpstreamKind;
  readonly firstByteAtUs: number;
  firstTokenAtUs: number | null = null;
  sentBytes = 0;
  readonly provider: string | null;
  readonly #res: ServerResponse;
  readonly #attempt: Attempt;
  readonly #head: Head;
  readonly #isEvents: boolean;
  readonly #isReadable: boolean;
  readonly #length: number;
  #wholeLimit: number;
  #kept: Buffer[] | null = [];
  #keptBytes = 0;
  #received = 0;
  #held: Buffer | null = null;
  #meter: Meter | null = null;
  #splicer: EventSplicer | null = null;
  #wholeUsage: Usage | null = null;
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
    this.#length = lengthOf(head);
    this.#wholeLimit = this.#length >= 0 && this.#length <= LARGEST_WHOLE ? LARGEST_WHOLE : -1;
    if (head.mayBePaused) this.#wholeLimit = Math.max(this.#wholeLimit, LARGEST_PAUSED);
    if (head.renamed !== null && !this.#isEvents && this.#isReadable) this.#wholeLimit = LARGEST_RENAMED;
    if (this.#isEvents && !head.mayBePaused) this.#wholeLimit = -1;
    if (this.#wholeLimit < 0) this.#stream();
  }

  /** Takes the next piece of the body. `clock`: for the time of the first token. */
  chunk(chunk: Buffer, clock: { nowUs(): number }): void {
    this.#received += chunk.length;
    if (this.#kept === null) {
      this.#forward(chunk, clock);
      return;
    }
    this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
    if (this.#keptBytes <= this.#wholeLimit) return;
    const early = this.#kept;
    this.#stream();
    for (const each of early) this.#forward(each, clock);
  }

  /** The upstream's message is complete. Returns a function that sends the end of ours. */
  finish(): () => void {
    return this.#kept === null ? this.#finishStream() : this.#finishWhole(this.#kept);
  }

  /** Whether the body that is kept so far says that the endpoint is paused. */
  isPaused(): boolean {
    if (!this.#head.mayBePaused || this.#kept === null || this.#keptBytes > LARGEST_PAUSED) return false;
    return saysPaused(Buffer.concat(this.#kept).toString('latin1'));
  }

  /** Whether the model has finished, even if more bytes may come. */
  get isComplete(): boolean {
    return this.#meter !== null && this.#isReadable && this.#meter.isComplete;
  }

  /** Whether a stream that began with success ended in an error event. */
  get hasFailed(): boolean {
    return this.#meter !== null && this.#isReadable && this.status < 400 && this.#meter.hasFailed;
  }

  /** The tokens that the upstream counted; null if the answer cannot be read. */
  get usage(): Usage | null {
    return this.#wholeUsage ?? (this.#isReadable && this.#meter !== null ? this.#meter.usage : null);
  }

  #stream(): void {
    const head = this.#head;
    const res = this.#res;
    this.#kept = null;
    this.#meter = new Meter(this.#isEvents);
    if (head.renamed !== null && this.#isEvents && this.#isReadable) this.#splicer = new EventSplicer(head.renamed);
    const headers = headersOf(head, this.upstream);
    if (this.#length >= 0 && this.#splicer === null) headers.push('content-length', String(this.#length));
    res.writeHead(head.status, headers);
    res.flushHeaders();
  }

  #forward(chunk: Buffer, clock: { nowUs(): number }): void {
    if ((this.#meter as Meter).chunk(chunk) && this.status < 400) this.firstTokenAtUs = clock.nowUs();
    const out = this.#splicer === null ? chunk : this.#splicer.push(chunk);
    if (out.length === 0) return;
    if (this.#length >= 0 && this.#received >= this.#length && this.#splicer === null) this.#held = out;
    else this.#write(out);
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
    const held = this.#held;
    if (held === null) return () => res.end();
    this.sentBytes += held.length;
    return () => res.end(held);
  }

  #finishWhole(kept: readonly Buffer[]): () => void {
    const res = this.#res;
    const head = this.#head;
    let body = kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept);
    if (head.renamed !== null && this.#isReadable) body = spliceModel(body, head.renamed);
    this.sentBytes = body.length;
    const headers = headersOf(head, this.upstream);
    // The answer to a HEAD states the length of a body that does not come.
    const length = res.req.method === 'HEAD' ? this.#length : body.length;
    if (head.status !== 204 && head.status !== 304) headers.push('content-length', String(length));
    if (body.length > SMALL_BODY) {
      if (this.#isReadable && head.status < 400) this.#wholeUsage = usageOf(body);
      return () => {
        res.writeHead(head.status, headers);
        res.end(body);
      };
    }
    // Node sends a small body in one write together with its headers only if it is a string; the usage needs one as
    // well.
    const text = body.toString('latin1');
    if (this.#isReadable && head.status < 400) this.#wholeUsage = readUsage(text);
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

function usageOf(body: Buffer): Usage {
  const near = readUsage(body.toString('latin1', Math.max(0, body.length - USAGE_NEAR_END)));
  if (near.promptTokens !== null || near.outputTokens !== null || body.length <= USAGE_NEAR_END) return near;
  const at = body.lastIndexOf('"usage"');
  return at < 0 ? near : readUsage(body.toString('latin1', at, at + USAGE_NEAR_END));
}

/** The declared length of a body in bytes; -1 if it is not declared. */
function lengthOf({ status, headers }: Head): number {
  if (status === 204 || status === 304) return 0;
  const text = headers['content-length'];
  return text === undefined ? -1 : Number(text);
}
