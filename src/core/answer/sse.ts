/** What a stream of events holds, as its lines come. */
export interface LineTaker {
  /** The value of a `data` line. */
  data(value: string): void;
  /** The name of the event that the lines around it belong to. */
  event(name: string): void;
  /** A field that the standard does not know. */
  unknown(name: string, value: string): void;
  /** A blank line: the event is complete. */
  blank(): void;
  /** A line was longer than any that is read. */
  unreadable(): void;
}

/** A longer line is skipped: its event cannot be judged. */
const LONGEST_LINE = 1024 * 1024;
const BYTE_ORDER_MARKS: readonly string[] = ['\u00ef\u00bb\u00bf', '\ufeff'];

/**
 * Reads the lines of an event stream (WHATWG HTML, 9.2.6): they end with LF, CR or CRLF, wherever the pieces are cut; a
 * byte order mark at the start and comments are skipped. Takes text of one character for each byte as well as decoded
 * text, because all that it looks for is ASCII.
 */
export class SseLines {
  readonly #taker: LineTaker;
  /** The line that has not ended yet, in the pieces in which it came. */
  #parts: string[] = [];
  #length = 0;
  #isSkipping = false;
  #isAfterReturn = false;
  #isFirst = true;

  constructor(taker: LineTaker) {
    this.#taker = taker;
  }

  /** Whether the next piece begins a line. */
  get isAtLineStart(): boolean {
    return this.#length === 0 && !this.#isSkipping;
  }

  push(piece: string): void {
    const text = this.#isAfterReturn || piece.includes('\r') ? this.#withLineFeeds(piece) : piece;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#end(text.slice(start, end));
      start = end + 1;
    }
    if (start < text.length) this.#keep(start === 0 ? text : text.slice(start));
  }

  /** The stream has ended: a last line needs no line end. */
  end(): void {
    if (this.#length > 0 || this.#isSkipping) this.#end('');
  }

  /** The same text with every line end as a line feed. A CR ends its line at once; an LF right after it is dropped. */
  #withLineFeeds(piece: string): string {
    const text = this.#isAfterReturn && piece.startsWith('\n') ? piece.slice(1) : piece;
    if (piece.length > 0) this.#isAfterReturn = piece.endsWith('\r');
    return text.replaceAll(/\r\n?/g, '\n');
  }

  #keep(part: string): void {
    if (this.#isSkipping) return;
    this.#length += part.length;
    if (this.#length <= LONGEST_LINE) {
      this.#parts.push(part);
      return;
    }
    this.#isSkipping = true;
    this.#parts = [];
  }

  #end(last: string): void {
    if (this.#isSkipping || this.#length + last.length > LONGEST_LINE) this.#taker.unreadable();
    else if (this.#length === 0) this.#line(last);
    else {
      this.#parts.push(last);
      this.#line(this.#parts.join(''));
    }
    if (this.#length > 0) this.#parts = [];
    this.#length = 0;
    this.#isSkipping = false;
  }

  #line(given: string): void {
    let line = given;
    if (this.#isFirst) {
      this.#isFirst = false;
      const mark = BYTE_ORDER_MARKS.find((each) => line.startsWith(each));
      if (mark !== undefined) line = line.slice(mark.length);
    }
    if (line.startsWith('data:')) return this.#taker.data(line.charCodeAt(5) === 0x20 ? line.slice(6) : line.slice(5));
    if (line === '') return this.#taker.blank();
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1);
    if (name === 'event') this.#taker.event(value);
    else if (name === 'data') this.#taker.data(value);
    else if (name !== 'id' && name !== 'retry') this.#taker.unknown(name, value);
  }
}
