import { StreamedAnswer } from '../core/answer/stream.ts';
import { readWhole } from '../core/answer/whole.ts';

/** The longest whole answer that is read; a stream may have any length, because only its current line is kept. */
const LONGEST = 16 * 1024 * 1024;
const MESSAGE_LENGTH = 160;

/** Reads a chat answer while it arrives: the time of its first token, and whether it is complete. */
export class Answer {
  /** Null if the answer is no stream. */
  readonly #stream: StreamedAnswer | null;
  /** The whole text of a plain answer. */
  #text = '';
  #length = 0;

  constructor(isStreamed: boolean) {
    this.#stream = isStreamed ? new StreamedAnswer(true) : null;
  }

  /** The number of characters received. */
  get length(): number {
    return this.#length;
  }

  get isTooLong(): boolean {
    return this.#text.length > LONGEST;
  }

  /** Adds the next piece; true if it contains a stream's first token. */
  take(piece: string): boolean {
    this.#length += piece.length;
    if (this.#stream !== null) return this.#stream.push(piece);
    this.#text += piece;
    return false;
  }

  /** The start of the received text, for an answer that is not a completion. */
  get start(): string {
    return messageOf(this.#text);
  }

  /** Why an answer with status 2xx is not complete; undefined if it is complete. */
  findFault(): string | undefined {
    return this.#stream === null ? this.#faultOfWhole() : this.#faultOfStream(this.#stream);
  }

  #faultOfStream(stream: StreamedAnswer): string | undefined {
    const outcome = stream.end();
    if (outcome === 'ok') return undefined;
    if (outcome === 'server_error') return `a stream with an error: ${messageOf(stream.errorText ?? '')}`;
    return `a stream without finish_reason, ${this.#length} characters long`;
  }

  #faultOfWhole(): string | undefined {
    switch (readWhole(this.#text, true).outcome) {
      case 'ok':
        return undefined;
      case 'server_error':
        return `an error with a success status: ${this.start}`;
      case 'incomplete_answer':
        return `an answer that is no JSON: ${this.start}`;
      case 'empty_answer':
        return `no finish_reason: ${this.start}`;
    }
  }
}

/** The message of an error body in OpenAI's or Hugging Face's form, otherwise the start of the text. */
function messageOf(text: string): string {
  return (/"(?:message|error)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text).slice(0, MESSAGE_LENGTH);
}
