/** The longest whole answer that is read; a stream may have any length, because only its current line is kept. */
const LONGEST = 16 * 1024 * 1024;

// A quote inside a JSON string is escaped, so these patterns match only the event's own keys, never the model's text.
const FIRST_TOKEN =
  /"(?:content|text|reasoning|reasoning_content|refusal)"\s*:\s*"(?!")|"tool_calls"\s*:\s*\[\s*[^\]\s]/;
const FINISHED = /"finish_reason":\s*"/;
const FAILED = /^data:\s*\{\s*"error"\s*:/;

/** Reads a chat answer while it arrives: the time of its first token, and whether it is complete. */
export class Answer {
  readonly #isStreamed: boolean;
  /** The whole text of a plain answer; of a stream the unfinished line. */
  #text = '';
  #length = 0;
  #hasToken = false;
  #isFinished = false;
  #error: string | undefined;

  constructor(isStreamed: boolean) {
    this.#isStreamed = isStreamed;
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
    this.#text += piece;
    if (!this.#isStreamed) return false;
    const hadToken = this.#hasToken;
    const lines = this.#text.split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#read(line);
    return this.#hasToken && !hadToken;
  }

  #read(line: string): void {
    if (!line.startsWith('data:')) return;
    this.#hasToken ||= FIRST_TOKEN.test(line);
    this.#isFinished ||= FINISHED.test(line);
    if (FAILED.test(line)) this.#error ??= line.slice(5).trim();
  }

  /** The start of the received text, for an answer that is not a completion. */
  get start(): string {
    return messageOf(this.#text);
  }

  /** Why an answer with status 2xx is not complete; undefined if it is complete. */
  findFault(): string | undefined {
    if (this.#isStreamed) {
      this.#read(this.#text);
      if (this.#isFinished) return undefined;
      if (this.#error !== undefined) return `a stream with an error: ${messageOf(this.#error)}`;
      return `a stream without finish_reason, ${this.#length} characters long`;
    }
    try {
      const { choices } = JSON.parse(this.#text) as { choices?: { finish_reason?: unknown }[] };
      return typeof choices?.[0]?.finish_reason === 'string' ? undefined : `no finish_reason: ${this.start}`;
    } catch {
      return `an answer that is no JSON: ${this.start}`;
    }
  }
}

const MESSAGE_LENGTH = 160;

/** The message of an error body in OpenAI's or Hugging Face's form, otherwise the start of the text. */
function messageOf(text: string): string {
  return (/"(?:message|error)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text).slice(0, MESSAGE_LENGTH);
}
