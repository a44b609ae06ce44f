import type { Room } from './memory.ts';

/** Takes the pieces of a text in their order. */
export interface PieceSink {
  /** Takes bytes of a JSON string in UTF-8, escapes as they are. They must not end within an escape. */
  bytes(chunk: Uint8Array, from: number, to: number): void;
  /** Takes the same bytes, one character for each. */
  line(line: string, from: number, to: number): void;
  /** Takes a piece of the text itself. */
  text(piece: string): void;
}

const FIRST_BYTES = 512;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Gathers a text of which most pieces are bytes of JSON: they are copied, and decoded once at the end. If its room is used
 * up, the whole text is lost.
 */
export class TextSink implements PieceSink {
  readonly #room: Room;
  /** The pieces before the first bytes. */
  #head = '';
  #escaped: Uint8Array | null = null;
  #length = 0;
  #isLost = false;

  constructor(room: Room) {
    this.#room = room;
  }

  bytes(chunk: Uint8Array, from: number, to: number): void {
    const target = this.#grown(to - from);
    if (target === null) return;
    let end = this.#length;
    // A loop is as fast as a call into native code for so few bytes.
    for (let at = from; at < to; at++) target[end++] = chunk[at] as number;
    this.#length = end;
  }

  line(line: string, from: number, to: number): void {
    const target = this.#grown(to - from);
    if (target === null) return;
    let end = this.#length;
    for (let at = from; at < to; at++) target[end++] = line.charCodeAt(at);
    this.#length = end;
  }

  text(piece: string): void {
    if (piece === '' || this.#isLost) return;
    if (this.#escaped === null) {
      if (this.#room.take(2 * piece.length)) this.#head += piece;
      else this.#lose();
      return;
    }
    const escaped = JSON.stringify(piece).slice(1, -1);
    const target = this.#grown(3 * escaped.length);
    if (target !== null) this.#length += encoder.encodeInto(escaped, target.subarray(this.#length)).written;
  }

  /** The text; null if it was lost. */
  read(): string | null {
    if (this.#isLost) return null;
    if (this.#escaped === null) return this.#head;
    try {
      const rest: unknown = JSON.parse(`"${decoder.decode(this.#escaped.subarray(0, this.#length))}"`);
      return this.#head + String(rest);
    } catch {
      return null;
    }
  }

  /** The bytes gathered, with place for some more; null if the text is lost. */
  #grown(more: number): Uint8Array | null {
    if (this.#isLost) return null;
    const had = this.#escaped;
    const needed = this.#length + more;
    if (had !== null && needed <= had.length) return had;
    const size = Math.max(FIRST_BYTES, 2 * (had?.length ?? 0), needed);
    if (!this.#room.take(size - (had?.length ?? 0))) return this.#lose();
    const grown = new Uint8Array(size);
    if (had !== null) grown.set(had.subarray(0, this.#length));
    return (this.#escaped = grown);
  }

  #lose(): null {
    this.#isLost = true;
    this.#head = '';
    this.#escaped = null;
    return null;
  }
}

/** Counts the characters (UTF-16 units) of a text and keeps none of them. */
export class CharCount implements PieceSink {
  chars = 0;

  bytes(chunk: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at++) at += this.#count(chunk[at] as number);
  }

  line(line: string, from: number, to: number): void {
    for (let at = from; at < to; at++) at += this.#count(line.charCodeAt(at));
  }

  text(piece: string): void {
    this.chars += piece.length;
  }

  /** Counts the character that begins with a byte. Returns how many further bytes are to be passed over. */
  #count(byte: number): number {
    if ((byte & 0xc0) === 0x80) return 0;
    this.chars += byte >= 0xf0 ? 2 : 1;
    return byte === BACKSLASH ? 1 : 0;
  }
}
