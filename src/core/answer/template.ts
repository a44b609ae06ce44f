import type { PieceSink } from '../form/text-sink.ts';
import type { Json } from './output.ts';

/** The keys whose text may change from one event to the next without changing anything else. */
const TEXTS: readonly string[] = ['content', 'reasoning_content', 'reasoning', 'text'];

/**
 * Recognises an event that differs from an earlier one by its text alone, at a small part of what parsing it costs. A
 * stream consists of hundreds of them. The bytes before and after the text are the same and the text contains neither a
 * quote nor a backslash, so that the JSON is the same except for that one string.
 */
export class DeltaTemplate {
  #before = '';
  #after = '';
  /** Where the texts go; null if nobody wants them. */
  #sink: PieceSink | null = null;
  /** The bytes of a whole event around its text, line ends included; null until `learnFrame` has seen one. */
  #frame: { readonly before: Uint8Array; readonly after: Uint8Array } | null = null;

  /** Whether the data line has the same parts as the learned one; then its text is taken. */
  fits(line: string): boolean {
    const before = this.#before;
    if (before === '' || !line.startsWith(before)) return false;
    const from = before.length;
    const quote = line.indexOf('"', from);
    if (quote < 0 || line.length - quote !== this.#after.length || !line.endsWith(this.#after)) return false;
    const backslash = line.indexOf('\\', from);
    if (backslash >= 0 && backslash < quote) return false;
    this.#sink?.line(line, from, quote);
    return true;
  }

  /**
   * Learns from a data line that is one choice's delta without a finish reason: `delta` within `event`. `sinkFor`: where
   * the text of a key goes.
   */
  learn(line: string, event: Json, delta: Json, sinkFor: (key: string) => PieceSink | null): void {
    if ('usage' in event && event.usage !== null) return;
    for (const key of TEXTS) {
      const text = delta[key];
      if (typeof text !== 'string' || text === '' || text.includes('"') || text.includes('\\')) continue;
      for (const colon of ['":"', '": "']) {
        const needle = `"${key}${colon}${text}"`;
        const at = line.indexOf(needle);
        if (at < 0 || line.indexOf(needle, at + 1) >= 0) continue;
        const end = at + needle.length - 1;
        this.#before = line.slice(0, end - text.length);
        this.#after = line.slice(end);
        this.#frame = null;
        this.#sink = sinkFor(key);
        return;
      }
    }
  }

  /** Learns how the learned line is framed, if a piece of the stream, with one character for each byte, holds it whole. */
  learnFrame(piece: string): void {
    if (this.#before === '' || this.#frame !== null) return;
    const at = piece.indexOf(this.#before);
    const start = piece.lastIndexOf('\n', at) + 1;
    const textEnd = at < 0 ? -1 : piece.indexOf(this.#after, at + this.#before.length);
    const end = textEnd + this.#after.length;
    const lineEnds = LINE_ENDS.find((each) => piece.startsWith(each, end));
    if (textEnd < 0 || lineEnds === undefined || !DATA.has(piece.slice(start, at))) return;
    this.#frame = {
      before: bytesOf(piece.slice(start, at + this.#before.length)),
      after: bytesOf(this.#after + lineEnds),
    };
  }

  /**
   * How many of the first bytes are whole events of the learned form, whose texts are taken. To be asked only where an
   * event begins. The text may have escapes that JSON allows here.
   */
  skip(chunk: Uint8Array): number {
    if (this.#frame === null) return 0;
    const { before, after } = this.#frame;
    for (let from = 0; ;) {
      if (!isAt(chunk, from, before)) return from;
      const start = from + before.length;
      const quote = endOfText(chunk, start);
      if (quote < 0 || !isAt(chunk, quote, after)) return from;
      this.#sink?.bytes(chunk, start, quote);
      from = quote + after.length;
    }
  }
}

const DATA: ReadonlySet<string> = new Set(['data: ', 'data:']);
/** The end of the line and of the event. */
const LINE_ENDS: readonly string[] = ['\n\n', '\r\n\r\n'];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPED: ReadonlySet<number> = new Set(Array.from('"\\/bfnrt', (each) => each.charCodeAt(0)));

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < bytes.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes;
}

// A loop is as fast as a call into native code for so few bytes.
function isAt(chunk: Uint8Array, from: number, part: Uint8Array): boolean {
  if (from + part.length > chunk.length) return false;
  for (let n = 0; n < part.length; n++) if (chunk[from + n] !== part[n]) return false;
  return true;
}

/** Where the quote is that ends a text; -1 if it does not end, or holds what the parser has to look at. */
function endOfText(chunk: Uint8Array, from: number): number {
  for (let at = from; at < chunk.length; at++) {
    const byte = chunk[at] as number;
    if (byte === QUOTE) return at;
    if (byte < 0x20) return -1;
    if (byte === BACKSLASH && !ESCAPED.has(chunk[++at] ?? 0)) return -1;
  }
  return -1;
}
