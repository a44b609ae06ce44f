/** The longest whole answer that is read; a stream may be of any length, since only the current line of it is kept. */
const LONGEST = 16 * 1024 * 1024;

// Inside a JSON string a quote is escaped, so these never match in what a model wrote, only in the event's own keys.
const FIRST_TOKEN =
  /"(?:content|text|reasoning|reasoning_content|refusal)"\s*:\s*"(?!")|"tool_calls"\s*:\s*\[\s*[^\]\s]/;
const FINISHED = /"finish_reason":\s*"/;
const FAILED = /^data:\s*\{\s*"error"\s*:/;

/** Reads a chat answer while it arrives: when its first token came, and whether it is a complete one. */
export class Answer {
  readonly #isStreamed: boolean;
  /** Of a whole answer all of it, of a stream the line that has not ended. */
  #text = '';
  #length = 0;
  #hasToken = false;
  #isFinished = false;
  #error: string | undefined;

  constructor(isStreamed: boolean) {
    this.#isStreamed = isStreamed;
  }

  /** How many characters came. */
  get length(): number {
    return this.#length;
  }

  get isTooLong(): boolean {
    return this.#text.length > LONGEST;
  }

  /** Takes the next piece; true where a stream's first token is in it. */
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

  /** The start of what came, for an answer that is no completion. */
  get start(): string {
    return messageOf(this.#text);
  }

  /** Why an answer that has ended with 2xx is not a complete one; undefined where it is. */
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

/** The message of an error body in OpenAI's or Hugging Face's form, else the start of the text. */
function messageOf(text: string): string {
  return (/"(?:message|error)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text).slice(0, MESSAGE_LENGTH);
}
