import { NO_USAGE, objectOf, parseAnswer } from '../../core/answer/output.ts';
import type { Usage } from '../../core/answer/output.ts';
import { StreamedAnswer } from '../../core/answer/stream.ts';
import type { AnswerOutcome } from '../../core/answer/stream.ts';
import { readWhole } from '../../core/answer/whole.ts';
import type { WholeAnswer } from '../../core/answer/whole.ts';
import { Collecting } from '../../core/form/collecting.ts';
import type { Given } from '../../core/form/given.ts';
import type { FormMemory } from '../../core/form/memory.ts';
import { vectorsOf } from '../../core/form/vectors.ts';
import type { Vectors } from '../../core/form/vectors.ts';
import { headerOf, isEventStream, isPlain } from '../request/headers.ts';
import type { AnswerHeaders } from '../request/headers.ts';
import { decodeAnswer } from './decode-answer.ts';
import { readEnd } from './read-end.ts';

/** A larger whole answer is not kept: only its end is read. */
const LARGEST_KEPT = 1024 * 1024;
const TAIL_BYTES = 16 * 1024;
/** Embeddings are not read out of a larger answer: to parse it would hold up all other calls. */
const LARGEST_PARSED = 256 * 1024;
/** A compressed answer that is larger is not read, because that would hold up all other calls. */
const LARGEST_COMPRESSED = 128 * 1024;

/** How the lines of an event stream begin, behind a byte order mark too. */
const EVENTS = /^(?:\xef\xbb\xbf)?(?:data|event|id|retry)?:/;

const UNKNOWN: WholeAnswer = { outcome: 'ok', hasOutput: null, usage: NO_USAGE };

/** What is known of the answer of an attempt, read as it comes. */
export interface AnswerReader {
  /** Takes the next piece. Returns true if the first output of a stream is in it. */
  chunk(chunk: Buffer): boolean;
  /** How the answer was; to be asked once its message is complete. */
  end(): AnswerOutcome;
  /** Whether the model has finished, even if more bytes may come. */
  readonly isComplete: boolean;
  /** Whether the answer holds any output; null if that is not known. */
  readonly hasOutput: boolean | null;
  /** The tokens that the upstream counted so far. */
  readonly usage: Usage;
  /** What the answer holds; null if that is not known, or was not to be gathered. To be asked once it is complete. */
  given(): Given | null;
  /** The embeddings that the answer holds; null if it holds none, or too many. To be asked once it is complete. */
  vectors(): Vectors | null;
  /** Gives the memory back that `given` needs. To be called in the end, whatever the end is. */
  release(): void;
}

/**
 * The reader of an answer with a success status. `isOpenAi`: whether the call was in one of OpenAI's or Anthropic's
 * formats, so that its answer has to be one. `memory`: for what the answer holds; null if nobody wants it.
 */
export function readerFor(headers: AnswerHeaders, isOpenAi: boolean, memory: FormMemory | null = null): AnswerReader {
  const isJson = isOpenAi || (headerOf(headers, 'content-type') ?? '').includes('json');
  if (!isJson && !isEventStream(headers)) return new UnreadableAnswer();
  const collecting = memory === null ? null : new Collecting(memory);
  const plain = isEventStream(headers) ? new EventsReader(isOpenAi, collecting) : new WholeReader(isOpenAi, collecting);
  return isPlain(headers) ? plain : new CompressedAnswer(headerOf(headers, 'content-encoding') ?? '', plain);
}

/** A stream of events. */
class EventsReader implements AnswerReader {
  readonly #answer: StreamedAnswer;
  readonly #collecting: Collecting | null;
  #outcome: AnswerOutcome | null = null;

  constructor(isOpenAi: boolean, collecting: Collecting | null) {
    this.#answer = new StreamedAnswer(isOpenAi, collecting);
    this.#collecting = collecting;
  }

  chunk(chunk: Buffer): boolean {
    const taken = this.#answer.skip(chunk);
    return taken < chunk.length && this.#answer.push(chunk.toString('latin1', taken));
  }

  end(): AnswerOutcome {
    return (this.#outcome ??= this.#answer.end());
  }

  get isComplete(): boolean {
    return this.#answer.isComplete;
  }

  get hasOutput(): boolean {
    return this.#answer.hasOutput;
  }

  get usage(): Usage {
    return this.#answer.usage;
  }

  given(): Given | null {
    return this.#collecting?.given() ?? null;
  }

  vectors(): null {
    return null;
  }

  release(): void {
    this.#collecting?.release();
  }
}

/** An answer in one piece of JSON, or a stream of events that is not declared as one. */
class WholeReader implements AnswerReader {
  readonly #isOpenAi: boolean;
  readonly #collecting: Collecting | null;
  #kept: Buffer[] = [];
  #length = 0;
  #answer: WholeAnswer | null = null;
  /** Not null if the answer turns out to be a stream. */
  #events: EventsReader | null = null;

  constructor(isOpenAi: boolean, collecting: Collecting | null) {
    this.#isOpenAi = isOpenAi;
    this.#collecting = collecting;
  }

  chunk(chunk: Buffer): boolean {
    if (this.#length === 0 && EVENTS.test(chunk.toString('latin1', 0, 16))) {
      this.#events = new EventsReader(this.#isOpenAi, this.#collecting);
    }
    this.#length += chunk.length;
    if (this.#events !== null) return this.#events.chunk(chunk);
    this.#kept.push(chunk);
    // Of an answer that is too large, the end is kept.
    if (this.#length > LARGEST_KEPT && this.#kept.length > 1) {
      const all = Buffer.concat(this.#kept);
      this.#kept = [Buffer.from(all.subarray(Math.max(0, all.length - TAIL_BYTES)))];
    }
    return false;
  }

  end(): AnswerOutcome {
    return this.#events?.end() ?? this.#read().outcome;
  }

  get isComplete(): boolean {
    return this.#events?.isComplete ?? false;
  }

  get hasOutput(): boolean | null {
    return this.#events?.hasOutput ?? this.#read().hasOutput;
  }

  get usage(): Usage {
    return (this.#events ?? this.#read()).usage;
  }

  given(): Given | null {
    const collecting = this.#collecting;
    if (this.#events !== null || collecting === null) return this.#events?.given() ?? null;
    this.#read();
    return collecting.given();
  }

  vectors(): Vectors | null {
    if (this.#events !== null || this.#length > LARGEST_PARSED) return null;
    const answer = objectOf(parseAnswer(this.#body.toString()));
    return answer === null ? null : vectorsOf(answer);
  }

  release(): void {
    this.#collecting?.release();
  }

  #read(): WholeAnswer {
    if (this.#answer !== null) return this.#answer;
    const text = this.#body.toString('latin1');
    return (this.#answer = this.#length > LARGEST_KEPT ? readEnd(text) : this.#readAll(text));
  }

  /** The answer, or the end of one that is too large. */
  get #body(): Buffer {
    const [first] = this.#kept;
    if (this.#kept.length === 1 && first !== undefined) return first;
    const body = Buffer.concat(this.#kept);
    this.#kept = [body];
    return body;
  }

  #readAll(text: string): WholeAnswer {
    if (!this.#isOpenAi && text === '') return UNKNOWN;
    return readWhole(text, this.#isOpenAi, this.#collecting);
  }
}

/**
 * An answer that was compressed although that was not asked for. It is read at its end, if it is not too large: nobody
 * could tell otherwise that an upstream answers with nothing.
 */
class CompressedAnswer implements AnswerReader {
  readonly isComplete = false;
  readonly #encoding: string;
  readonly #plain: AnswerReader;
  #chunks: Buffer[] = [];
  #length = 0;
  #outcome: AnswerOutcome | null = null;
  #isRead = false;

  /** `plain`: reads what comes out of it. */
  constructor(encoding: string, plain: AnswerReader) {
    this.#encoding = encoding;
    this.#plain = plain;
  }

  chunk(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#length <= LARGEST_COMPRESSED) this.#chunks.push(chunk);
    else this.#chunks = [];
    return false;
  }

  end(): AnswerOutcome {
    return (this.#outcome ??= this.#judge());
  }

  get hasOutput(): boolean | null {
    return this.#isRead ? this.#plain.hasOutput : null;
  }

  get usage(): Usage {
    return this.#isRead ? this.#plain.usage : NO_USAGE;
  }

  given(): Given | null {
    return this.#isRead ? this.#plain.given() : null;
  }

  vectors(): Vectors | null {
    return this.#isRead ? this.#plain.vectors() : null;
  }

  release(): void {
    this.#plain.release();
  }

  #judge(): AnswerOutcome {
    if (this.#length > LARGEST_COMPRESSED) return 'ok';
    const text = decodeAnswer(this.#encoding, Buffer.concat(this.#chunks));
    this.#chunks = [];
    if (typeof text === 'string') return text === 'broken' ? 'incomplete_answer' : 'ok';
    this.#isRead = true;
    if (text.length > 0) this.#plain.chunk(text);
    return this.#plain.end();
  }
}

/** An answer that nothing is known of: it is a picture, or a sound. */
class UnreadableAnswer implements AnswerReader {
  readonly isComplete = false;
  readonly hasOutput = null;
  readonly usage = NO_USAGE;

  chunk(): boolean {
    return false;
  }

  end(): AnswerOutcome {
    return 'ok';
  }

  given(): null {
    return null;
  }

  vectors(): null {
    return null;
  }

  release(): void {
    // Nothing was gathered.
  }
}
