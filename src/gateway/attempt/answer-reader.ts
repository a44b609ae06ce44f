import { NO_USAGE, usageOf } from '../../core/answer/output.ts';
import type { Usage } from '../../core/answer/output.ts';
import { StreamedAnswer } from '../../core/answer/stream.ts';
import type { AnswerOutcome } from '../../core/answer/stream.ts';
import { readWhole } from '../../core/answer/whole.ts';
import type { WholeAnswer } from '../../core/answer/whole.ts';
import { skipSpace, skipValue } from '../../core/json-scan.ts';
import { headerOf, isEventStream, isPlain } from '../request/headers.ts';
import type { AnswerHeaders } from '../request/headers.ts';
import { decodeAnswer } from './decode-answer.ts';

/** A larger whole answer is not kept: only its end is read. */
const LARGEST_KEPT = 1024 * 1024;
const TAIL_BYTES = 16 * 1024;
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
}

/**
 * The reader of an answer with a success status. `isOpenAi`: whether the call was in one of OpenAI's or Anthropic's
 * formats, so that its answer has to be one.
 */
export function readerFor(headers: AnswerHeaders, isOpenAi: boolean): AnswerReader {
  const isJson = isOpenAi || (headerOf(headers, 'content-type') ?? '').includes('json');
  if (!isJson && !isEventStream(headers)) return new UnreadableAnswer();
  const plain = isEventStream(headers) ? new EventsReader(isOpenAi) : new WholeReader(isOpenAi);
  return isPlain(headers) ? plain : new CompressedAnswer(headerOf(headers, 'content-encoding') ?? '', plain);
}

/** A stream of events. */
class EventsReader implements AnswerReader {
  readonly #answer: StreamedAnswer;
  #outcome: AnswerOutcome | null = null;

  constructor(isOpenAi: boolean) {
    this.#answer = new StreamedAnswer(isOpenAi);
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
}

/** An answer in one piece of JSON, or a stream of events that is not declared as one. */
class WholeReader implements AnswerReader {
  readonly #isOpenAi: boolean;
  #kept: Buffer[] = [];
  #length = 0;
  #answer: WholeAnswer | null = null;
  /** Not null if the answer turns out to be a stream. */
  #events: EventsReader | null = null;

  constructor(isOpenAi: boolean) {
    this.#isOpenAi = isOpenAi;
  }

  chunk(chunk: Buffer): boolean {
    if (this.#length === 0 && EVENTS.test(chunk.toString('latin1', 0, 16))) {
      this.#events = new EventsReader(this.#isOpenAi);
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

  #read(): WholeAnswer {
    if (this.#answer !== null) return this.#answer;
    const [first] = this.#kept;
    const body = this.#kept.length === 1 && first !== undefined ? first : Buffer.concat(this.#kept);
    const answer =
      this.#length > LARGEST_KEPT ? readEnd(body.toString('latin1')) : this.#readAll(body.toString('latin1'));
    return (this.#answer = answer);
  }

  #readAll(text: string): WholeAnswer {
    if (!this.#isOpenAi && text === '') return UNKNOWN;
    return readWhole(text, this.#isOpenAi);
  }
}

/** What the end of a large answer shows: whether it ends as JSON does, and the usage if that stands there. */
function readEnd(text: string): WholeAnswer {
  const end = text.trimEnd();
  if (!end.endsWith('}') && !end.endsWith(']'))
    return { outcome: 'incomplete_answer', hasOutput: true, usage: NO_USAGE };
  const key = end.lastIndexOf('"usage"');
  const colon = key < 0 ? -1 : skipSpace(end, key + 7);
  const start = skipSpace(end, colon + 1);
  const found = colon < 0 || end[colon] !== ':' ? undefined : parsed(end.slice(start, skipValue(end, start)));
  return { outcome: 'ok', hasOutput: true, usage: usageOf({ usage: found }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
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
}
