import { objectOf, objectsOf, parseAnswer } from '../answer/output.ts';
import type { Json } from '../answer/output.ts';
import { finishOf } from './given.ts';
import type { Given, GivenCall } from './given.ts';
import type { Finish } from './form.ts';
import { Room } from './memory.ts';
import type { FormMemory } from './memory.ts';
import { CharCount, TextSink } from './text-sink.ts';
import type { PieceSink } from './text-sink.ts';

/** Bytes of text, and of arguments, that are kept of one answer. */
const MOST_BYTES = 64 * 1024;
/** An answer with more choices, or more calls of tools in one choice, is not followed. */
const MOST_CHOICES = 16;
const MOST_CALLS = 64;

const BEYOND_ASCII = /[\x80-\xff]/;
const decoder = new TextDecoder();
const strict = new TextDecoder('utf-8', { fatal: true });
/** A character that only bytes in UTF-8 can have come to, so that what else is broken beside it is a broken byte. */
const MEANT = /[^\x00-\x7f\ufffd]/;

/** Gathers what an answer holds, from its events or from the whole of it, in the formats that `StreamedAnswer` reads. */
export class Collecting {
  readonly #texts: Room;
  readonly #args: Room;
  readonly #choices: Choice[] = [];
  /** Whether there is more than is followed, so that the answer is not known. */
  #isLost = false;
  /** Whether items of a streamed response came, so that those at its end are the same again. */
  #hasItems = false;

  constructor(memory: FormMemory) {
    this.#texts = new Room(memory, MOST_BYTES);
    this.#args = new Room(memory, MOST_BYTES);
  }

  /** Takes an event of a stream. `line`: the text that it was parsed from, one character for each byte or decoded. */
  event(event: Json, line: string): void {
    const readable = readableOf(event, line);
    if (Array.isArray(readable.choices)) this.#takeChoices(objectsOf(readable.choices));
    else if (typeof readable.type === 'string') this.#takeTyped(readable.type, readable);
  }

  /** Takes the list of choices of a whole answer, as its text: of one character for each byte, or decoded. */
  choices(text: string): void {
    this.#takeChoices(objectsOf(parseAnswer(decoded(text))));
  }

  /** Takes a whole answer. `text`: what it was parsed from, as in `event`. */
  whole(given: Json, text: string): void {
    const answer = readableOf(given, text);
    if (Array.isArray(answer.choices)) this.#takeChoices(objectsOf(answer.choices));
    else if (Array.isArray(answer.output)) this.#takeResponse(answer);
    else if (Array.isArray(answer.content)) {
      objectsOf(answer.content).forEach((block, index) => this.#takeBlock(block, index));
      this.#choice(0).finish = finishOf(answer.stop_reason);
    }
  }

  /** Where further pieces of a text go that an event of the same form brings. */
  sinkFor(index: number, key: string): PieceSink {
    const choice = this.#choice(index);
    return key === 'content' || key === 'text' ? choice.text : choice.reasoning;
  }

  /** What the answer held; null if that is not known, or if it held nothing that is followed. */
  given(): Given | null {
    if (this.#isLost || this.#choices.length === 0) return null;
    const given = [];
    for (const choice of this.#choices) {
      // A sparse list: its index was given in the answer.
      if (choice === undefined) return null;
      const { finish, text, reasoning, calls, isRefusal } = choice;
      given.push({ finish, text: text.read(), calls: calls.map(toGiven), reasoningChars: reasoning.chars, isRefusal });
    }
    return given;
  }

  /** Gives the memory back. Nothing more must come. */
  release(): void {
    this.#texts.release();
    this.#args.release();
  }

  #choice(index: number): Choice {
    const known = this.#choices[index];
    if (known !== undefined) return known;
    const made = new Choice(this.#texts, this.#args);
    if (index < MOST_CHOICES && Number.isInteger(index) && index >= 0) this.#choices[index] = made;
    else this.#isLost = true;
    return made;
  }

  #takeChoices(choices: readonly Json[]): void {
    choices.forEach((given, position) => {
      const choice = this.#choice(typeof given.index === 'number' ? given.index : position);
      choice.finish = finishOf(given.finish_reason) ?? choice.finish;
      const delta = objectOf(given.delta) ?? objectOf(given.message) ?? given;
      takeContent(choice, delta.content ?? delta.text);
      // Some servers send the same reasoning under both names.
      const reasoning = delta.reasoning_content ?? delta.reasoning;
      if (typeof reasoning === 'string') choice.reasoning.text(reasoning);
      if (typeof delta.refusal === 'string' && delta.refusal !== '') choice.isRefusal = true;
      if (Array.isArray(delta.tool_calls)) {
        objectsOf(delta.tool_calls).forEach((call) =>
          choice.takeCall(call, objectOf(call.function) ?? objectOf(call.custom) ?? call),
        );
      }
      const legacy = objectOf(delta.function_call);
      if (legacy !== null) choice.takeCall({ index: 0 }, legacy);
    });
  }

  #takeTyped(type: string, event: Json): void {
    if (type === 'response.output_item.done') {
      this.#hasItems = true;
      this.#takeItem(objectOf(event.item));
    } else if (type === 'response.completed' || type === 'response.incomplete') {
      const response = objectOf(event.response) ?? {};
      this.#takeResponse(this.#hasItems ? { ...response, output: [] } : response);
    } else if (type === 'content_block_start') this.#takeBlock(objectOf(event.content_block) ?? {}, event.index);
    else if (type === 'content_block_delta') this.#takeBlockDelta(objectOf(event.delta) ?? {}, event.index);
    else if (type === 'message_delta') {
      this.#choice(0).finish = finishOf(objectOf(event.delta)?.stop_reason) ?? this.#choice(0).finish;
    }
  }

  #takeResponse({ output, status, incomplete_details: details }: Json): void {
    for (const item of objectsOf(output)) this.#takeItem(item);
    const choice = this.#choice(0);
    const finish = finishOf(objectOf(details)?.reason ?? status);
    choice.finish = finish === 'stop' && choice.calls.length > 0 ? 'tool_calls' : finish;
  }

  #takeItem(item: Json | null): void {
    if (item === null) return;
    const choice = this.#choice(0);
    if (item.type === 'function_call') choice.takeCall({ id: item.id }, item);
    else if (item.type === 'custom_tool_call') choice.takeCall({ id: item.id }, { name: item.name, arguments: null });
    else if (item.type === 'reasoning') {
      const parts = [...objectsOf(item.content), ...objectsOf(item.summary)];
      for (const { text } of parts) if (typeof text === 'string') choice.reasoning.text(text);
    } else {
      for (const part of objectsOf(item.content)) {
        if (part.type === 'refusal') choice.isRefusal = true;
        takeContent(choice, part.text);
      }
    }
  }

  /** A block of a message. Its index stands for a call of a tool. */
  #takeBlock(block: Json, index: unknown): void {
    const choice = this.#choice(0);
    if (block.type === 'tool_use') {
      const isEmpty = Object.keys(objectOf(block.input) ?? {}).length === 0;
      choice.takeCall({ index }, { name: block.name, arguments: isEmpty ? '' : block.input });
    } else if (block.type === 'thinking') takeThought(choice, block.thinking);
    else takeContent(choice, block.text);
  }

  #takeBlockDelta(delta: Json, index: unknown): void {
    const choice = this.#choice(0);
    if (typeof delta.partial_json === 'string') choice.takeCall({ index }, { arguments: delta.partial_json });
    takeThought(choice, delta.thinking);
    takeContent(choice, delta.text);
  }
}

class Choice {
  finish: Finish | null = null;
  readonly text: TextSink;
  readonly reasoning = new CharCount();
  readonly calls: Call[] = [];
  isRefusal = false;
  readonly #args: Room;

  constructor(texts: Room, args: Room) {
    this.text = new TextSink(texts);
    this.#args = args;
  }

  /** Takes a call, or a piece of one. `place`: its index, if the format has one. */
  takeCall(place: Json, { name, arguments: args }: Json): void {
    const isNamed = typeof name === 'string' && name !== '';
    const call = this.#callAt(typeof place.index === 'number' ? place.index : null, isNamed);
    if (call === null) return;
    if (isNamed && call.name === '') call.name = name;
    if (args === null || args === undefined || call.args === null) return;
    const piece = typeof args === 'string' ? args : jsonOf(args);
    call.args = piece !== null && this.#args.take(2 * piece.length) ? call.args + piece : null;
  }

  /** The call with an index; without one, the last call, or a new one if a name comes. */
  #callAt(index: number | null, isNamed: boolean): Call | null {
    const known =
      index === null && !isNamed
        ? this.calls.at(-1)
        : this.calls.find((each) => index !== null && each.index === index);
    if (known !== undefined) return known;
    if (this.calls.length >= MOST_CALLS) return null;
    const made = { index, name: '', args: '' };
    this.calls.push(made);
    return made;
  }
}

interface Call {
  readonly index: number | null;
  name: string;
  args: string | null;
}

/** Arguments that came as a value; null if they nest too deep to be written. */
function jsonOf(args: unknown): string | null {
  try {
    return JSON.stringify(args);
  } catch {
    return null;
  }
}

/** No arguments at all are those of a tool that takes none. */
function toGiven({ name, args }: Call): GivenCall {
  return { name, args: args === '' ? '{}' : args };
}

/** A text, or a list of parts, some of which may be reasoning. */
function takeContent(choice: Choice, content: unknown): void {
  if (typeof content === 'string') choice.text.text(content);
  else {
    for (const part of objectsOf(content)) {
      if (typeof part.text === 'string') choice.text.text(part.text);
      for (const { text } of objectsOf(part.thinking)) takeThought(choice, text);
    }
  }
}

function takeThought(choice: Choice, thought: unknown): void {
  if (typeof thought === 'string') choice.reasoning.text(thought);
}

/** A JSON value again from its text as it was meant. */
function readableOf(value: Json, text: string): Json {
  const meant = decoded(text);
  return meant === text ? value : (objectOf(parseAnswer(meant)) ?? value);
}

/**
 * A text of one character for each byte as it was meant, or a decoded text as it is. A decoded text of Latin letters alone
 * (`café`) looks like bytes, but like bytes that are not in UTF-8.
 */
function decoded(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text;
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0xff) return text;
    bytes[at] = unit;
  }
  try {
    return strict.decode(bytes);
  } catch {
    const repaired = decoder.decode(bytes);
    return MEANT.test(repaired) ? repaired : text;
  }
}
