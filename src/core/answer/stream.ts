import type { Collecting } from '../form/collecting.ts';
import type { Outcome } from '../outcome.ts';
import {
  NO_USAGE,
  hasOutput,
  isReason,
  isSomething,
  objectOf,
  objectsOf,
  parseAnswer,
  saysError,
  usageOf,
} from './output.ts';
import type { Json, Usage } from './output.ts';
import { SseLines } from './sse.ts';
import type { LineTaker } from './sse.ts';
import { DeltaTemplate } from './template.ts';

/** How an answer with a success status was, once its message is complete. */
export type AnswerOutcome = Extract<Outcome, 'ok' | 'server_error' | 'incomplete_answer' | 'empty_answer'>;

/** The most choices whose ends are followed; a request for more is no usual one. */
const MOST_CHOICES = 4_096;
const LONGEST_ERROR = 1_024;
/** Of an event with several lines, characters. A longer one cannot be judged. */
const LONGEST_EVENT = 1024 * 1024;
const BEGINS_JSON = /^\s*[[{]/;

/**
 * Reads a streamed answer while it comes, in the formats of chat and text completions (`choices`), OpenAI's responses,
 * Anthropic's messages and TGI. It tells when the first output came, what tokens the upstream counted, and at the end
 * whether the stream ended as its protocol ends.
 *
 * A stream ended well if every choice that it opened has a finish reason, or if `response.completed`, `message_stop` or
 * TGI's `generated_text` came. Some servers give no finish reason: for those, output that is followed by a usage chunk,
 * or by a usage and `[DONE]`, has ended well too. `response.incomplete` ended well if the caller's own limit of tokens
 * is its reason, as `finish_reason: "length"` does.
 */
export class StreamedAnswer implements LineTaker {
  readonly #lines = new SseLines(this);
  readonly #template = new DeltaTemplate();
  readonly #opened = new Set<number>();
  readonly #finished = new Set<number>();
  #isTerminated = false;
  #hasOutput = false;
  #hasFailed = false;
  #errorText: string | null = null;
  #isOther = false;
  #isDone = false;
  #endsWithUsage = false;
  /** Data lines of the present event that are no JSON by themselves: an event may have several. */
  #parts: string[] = [];
  #partsLength = 0;
  #usage: Usage = NO_USAGE;

  readonly #isOpenAi: boolean;
  readonly #collecting: Collecting | null;

  /**
   * `isOpenAi`: whether the call's format is known, so that events of another format are no answer to it. `collecting`:
   * gathers what the answer holds; null if nobody wants it.
   */
  constructor(isOpenAi: boolean, collecting: Collecting | null = null) {
    this.#isOpenAi = isOpenAi;
    this.#collecting = collecting;
  }

  /** Takes the next piece. Returns true if the first output of the answer is in it. */
  push(piece: string): boolean {
    const had = this.#hasOutput;
    this.#lines.push(piece);
    this.#template.learnFrame(piece);
    return this.#hasOutput && !had;
  }

  /** Takes the first bytes of the next piece if they say nothing new, which costs least. Returns how many it took. */
  skip(chunk: Uint8Array): number {
    if (!this.#lines.isAtLineStart || this.#parts.length > 0) return 0;
    const taken = this.#template.skip(chunk);
    if (taken > 0) this.#endsWithUsage = false;
    return taken;
  }

  /** How the answer was, if its message ends here. */
  end(): AnswerOutcome {
    this.#lines.end();
    this.blank();
    if (this.isComplete) return 'ok';
    if (this.#hasFailed) return 'server_error';
    if (this.#isOther && !this.#isOpenAi && this.#opened.size === 0) return 'ok';
    return this.#hasOutput ? 'incomplete_answer' : 'empty_answer';
  }

  /** Whether the model has finished, even if more bytes may come. */
  get isComplete(): boolean {
    if (this.#isTerminated) return true;
    if (this.#hasFailed) return false;
    if (this.#opened.size === 0) return false;
    if (this.#finished.size === this.#opened.size) return true;
    const hasUsage = this.#usage.promptTokens !== null || this.#usage.outputTokens !== null;
    return this.#hasOutput && this.#finished.size === 0 && hasUsage && (this.#endsWithUsage || this.#isDone);
  }

  /** Whether a text, a tool call or reasoning has come. */
  get hasOutput(): boolean {
    return this.#hasOutput;
  }

  /** The start of the event that says that the answer failed, as it was sent; null if none does. */
  get errorText(): string | null {
    return this.#errorText;
  }

  /** The tokens so far. */
  get usage(): Usage {
    return this.#usage;
  }

  data(value: string): void {
    if (this.#template.fits(value)) {
      this.#endsWithUsage = false;
      return;
    }
    if (value === '[DONE]') {
      this.#isDone = true;
      return;
    }
    const parsed = parseAnswer(value);
    const event = objectOf(parsed);
    if (event !== null) {
      this.#dropParts();
      this.#take(event, value);
    } else if (parsed !== undefined && this.#parts.length === 0) this.#isOther = true;
    else if (value !== '' || this.#parts.length > 0) this.#keepPart(value);
  }

  #keepPart(value: string): void {
    const [first] = this.#parts;
    if (first !== undefined && !BEGINS_JSON.test(first)) return;
    this.#partsLength += value.length;
    this.#parts.push(value);
    if (this.#partsLength <= LONGEST_EVENT) return;
    this.#dropParts();
    this.unreadable();
  }

  #dropParts(): void {
    if (this.#parts.length > 0) this.#parts = [];
    this.#partsLength = 0;
  }

  event(name: string): void {
    if (name === 'error') this.#fail(null);
  }

  unknown(name: string, value: string): void {
    if (name === 'error') this.#fail(value);
  }

  blank(): void {
    const [first] = this.#parts;
    if (first === undefined) return;
    // Joined only here: to try it at each line would take time with the square of their number.
    const text = this.#parts.join('\n');
    const parsed = this.#parts.length > 1 ? parseAnswer(text) : undefined;
    this.#dropParts();
    const event = objectOf(parsed);
    if (event !== null) this.#take(event, text);
    // Text that is no JSON is somebody's own format, unless it is the beginning of a JSON text that was cut off.
    else if (parsed !== undefined || !BEGINS_JSON.test(first)) this.#isOther = true;
  }

  unreadable(): void {
    this.#isTerminated = true;
    this.#hasOutput = true;
  }

  #fail(text: string | null): void {
    this.#hasFailed = true;
    this.#errorText ??= text === null ? null : text.slice(0, LONGEST_ERROR);
  }

  #take(event: Json, line: string): void {
    this.#collecting?.event(event, line);
    const usage = usageOf(event);
    const hasUsage = usage !== NO_USAGE;
    if (hasUsage) {
      // Anthropic's streams give the prompt's tokens at the beginning only.
      this.#usage = {
        promptTokens: usage.promptTokens ?? this.#usage.promptTokens,
        outputTokens: usage.outputTokens ?? this.#usage.outputTokens,
      };
    }
    this.#endsWithUsage = hasUsage && !isSomething(event.choices);
    if (saysError(event)) this.#fail(line);
    const { choices, type } = event;
    if (Array.isArray(choices)) this.#takeChoices(objectsOf(choices), event, line);
    else if (typeof type === 'string') this.#takeTyped(type, event);
    else if ('token' in event || 'generated_text' in event) this.#takeTgi(event);
    else if (!hasUsage && !this.#hasFailed) this.#isOther = true;
  }

  #takeChoices(choices: readonly Json[], event: Json, line: string): void {
    choices.forEach((choice, position) => {
      const index = typeof choice.index === 'number' ? choice.index : position;
      if (this.#opened.size < MOST_CHOICES) this.#opened.add(index);
      const { finish_reason: reason } = choice;
      if (isReason(reason) && this.#opened.has(index)) this.#finished.add(index);
      const delta = objectOf(choice.delta) ?? objectOf(choice.message) ?? choice;
      this.#hasOutput ||= hasOutput(delta);
      if (choices.length > 1 || isReason(reason)) return;
      this.#template.learn(line, event, delta, (key) => this.#collecting?.sinkFor(index, key) ?? null);
    });
  }

  #takeTyped(type: string, event: Json): void {
    const { delta } = event;
    if (type.startsWith('response.')) {
      const response = objectOf(event.response);
      if (type === 'response.completed') {
        this.#isTerminated = true;
        this.#hasOutput ||= isSomething(response?.output);
      } else if (type === 'response.incomplete') {
        this.#isTerminated = objectOf(response?.incomplete_details)?.reason === 'max_output_tokens';
      }
      if (type.endsWith('.delta') && isSomething(delta)) this.#hasOutput = true;
      return;
    }
    if (type === 'message_stop') this.#isTerminated = true;
    else if (type === 'content_block_delta') this.#hasOutput ||= hasOutput(objectOf(delta));
    else if (type === 'content_block_start') {
      const block = objectOf(event.content_block);
      this.#hasOutput ||= hasOutput(block) || block?.type === 'tool_use';
    } else if (!ANTHROPIC.has(type) && !this.#hasFailed) this.#isOther = true;
  }

  #takeTgi(event: Json): void {
    if (typeof event.generated_text === 'string') this.#isTerminated = true;
    const token = objectOf(event.token);
    this.#hasOutput ||= hasOutput(event) || (token !== null && token.special !== true && hasOutput(token));
  }
}

const ANTHROPIC: ReadonlySet<string> = new Set(['message_start', 'message_delta', 'content_block_stop', 'ping']);
