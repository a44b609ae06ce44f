/** Tokens as the upstream counted them; null if it did not say. */
export interface Usage {
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
}

const NO_USAGE: Usage = { promptTokens: null, outputTokens: null };

const TAIL_BYTES = 16 * 1024;
const TAIL_CHUNKS = 32;
const LONGEST_EVENT = 256 * 1024;

// A quote is escaped inside a JSON string, so these match only the keys of an event and never what a model wrote.
const FIRST_TOKEN =
  /"(?:content|text|delta|reasoning|reasoning_content|thinking|partial_json|refusal)"\s*:\s*"(?!")|"tool_calls"\s*:\s*\[\s*[^\]\s]/;
const FINISHED = /"(?:finish_reason|stop_reason)"\s*:\s*"|"type"\s*:\s*"response\.(?:completed|incomplete)"/;
const FAILED = /(?:^|\n)data:\s*\{\s*(?:"error"\s*:\s*["{]|"type"\s*:\s*"(?:error|response\.failed)")/;

/**
 * Reads `usage` from the text of a whole JSON answer or of the last events of a stream. The last `usage` counts; a
 * number that it lacks is taken from an earlier one, because Anthropic's streams give the prompt's tokens only at the
 * beginning.
 */
export function readUsage(text: string): Usage {
  let promptTokens: number | null = null;
  let outputTokens: number | null = null;
  for (let at = text.lastIndexOf('"usage"'); at >= 0; at = at === 0 ? -1 : text.lastIndexOf('"usage"', at - 1)) {
    const open = /^\s*:\s*\{/.exec(text.slice(at + 7, at + 32));
    if (open === null) continue;
    promptTokens ??= numberAfter(text, '"prompt_tokens"', at) ?? numberAfter(text, '"input_tokens"', at);
    outputTokens ??= numberAfter(text, '"completion_tokens"', at) ?? numberAfter(text, '"output_tokens"', at);
    if (promptTokens !== null && outputTokens !== null) break;
  }
  return { promptTokens, outputTokens };
}

function numberAfter(text: string, key: string, from: number): number | null {
  let at = text.indexOf(key, from);
  if (at < 0) return null;
  at += key.length;
  let value = -1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) value = (value < 0 ? 0 : value * 10) + code - 48;
    else if (value >= 0 || (code !== 58 && code > 32)) break;
  }
  return value >= 0 && Number.isSafeInteger(value) ? value : null;
}

/**
 * Measures a streamed answer. Until the first token it reads each event. After that it only keeps the last kilobytes,
 * and reads the finish reason and the usage from them when they are asked for, so that a chunk costs almost nothing.
 */
export class Meter {
  readonly #isEvents: boolean;
  #carry = '';
  #hasToken = false;
  #earlyUsage: Usage = NO_USAGE;
  #tail: Buffer[] = [];
  #isFinished = false;

  /** `isEvents`: whether the answer is a stream of events. Only such a stream shows when its first token came. */
  constructor(isEvents: boolean) {
    this.#isEvents = isEvents;
  }

  /** Takes the next chunk. Returns true if the first token of the answer is in it. */
  chunk(chunk: Buffer): boolean {
    this.#tail.push(chunk);
    if (this.#tail.length > TAIL_CHUNKS || chunk.length > TAIL_BYTES) this.#compact();
    return this.#hasToken ? false : this.#seek(chunk);
  }

  /** Whether a finish reason came: the model has finished. */
  get isComplete(): boolean {
    return (this.#isFinished ||= FINISHED.test(this.tailText()));
  }

  /** Whether the stream ended in an error event and not with a finish reason. */
  get hasFailed(): boolean {
    return this.#isEvents && !this.isComplete && FAILED.test(this.tailText());
  }

  /** The tokens so far. */
  get usage(): Usage {
    const late = readUsage(this.tailText());
    return {
      promptTokens: late.promptTokens ?? this.#earlyUsage.promptTokens,
      outputTokens: late.outputTokens ?? this.#earlyUsage.outputTokens,
    };
  }

  #seek(chunk: Buffer): boolean {
    if (!this.#isEvents) return false;
    const text = this.#carry + chunk.toString('latin1');
    const end = lastEventEnd(text);
    if (end === 0 && text.length <= LONGEST_EVENT) {
      this.#carry = text;
      return false;
    }
    const events = text.slice(0, end);
    if (events.includes('"usage"')) this.#earlyUsage = readUsage(events);
    this.#hasToken = end === 0 || FIRST_TOKEN.test(events);
    this.#carry = this.#hasToken ? '' : text.slice(end);
    return this.#hasToken;
  }

  /** The last kilobytes of the answer, one character for each byte. */
  tailText(): string {
    if (this.#tail.length > 1) this.#compact();
    return this.#tail[0]?.toString('latin1') ?? '';
  }

  #compact(): void {
    const all = Buffer.concat(this.#tail);
    const kept = all.subarray(Math.max(0, all.length - TAIL_BYTES));
    this.#tail = [kept];
  }
}

/** Length of the part of `text` that consists of whole events. */
function lastEventEnd(text: string): number {
  const plain = text.lastIndexOf('\n\n');
  const carriage = text.lastIndexOf('\r\n\r\n');
  return Math.max(plain < 0 ? 0 : plain + 2, carriage < 0 ? 0 : carriage + 4);
}
