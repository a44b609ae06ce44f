import { scanObject } from '../request/scan.ts';

const LONGEST_LINE = 1024 * 1024;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';
const FIELD = 'data:';
const EMPTY = Buffer.alloc(0);

/** A copy of `body` in which the bytes [start, end) are replaced by `text` as a JSON string. */
export function spliceString(body: Buffer, start: number, end: number, text: string): Buffer {
  return Buffer.concat([body.subarray(0, start), Buffer.from(JSON.stringify(text)), body.subarray(end)]);
}

/** A copy of a JSON object with its top-level `model` replaced; the same buffer if it has none or is not an object. */
export function spliceModel(body: Buffer, model: string): Buffer {
  const scan = scanObject(body);
  return scan === null || scan.modelStart < 0 ? body : spliceString(body, scan.modelStart, scan.modelEnd, model);
}

/**
 * Replaces the top-level `model` in the events of a stream. It passes on whole lines, because a chunk may end anywhere;
 * each `data:` line is one JSON text. Lines end with LF, CR or CRLF, whose LF counts as a line of its own: a CR is not
 * held back until more comes. A line longer than a megabyte is passed on unchanged.
 */
export class EventSplicer {
  readonly #model: string;
  #rest: Buffer = EMPTY;
  #isInLongLine = false;
  #isFirst = true;

  constructor(model: string) {
    this.#model = model;
  }

  /** What can be passed on after this chunk; may be empty. */
  push(chunk: Buffer): Buffer {
    const last = Math.max(chunk.lastIndexOf(LINE_FEED), chunk.lastIndexOf(RETURN));
    if (last < 0) {
      if (this.#isInLongLine) return chunk;
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      if (this.#rest.length <= LONGEST_LINE) return EMPTY;
      this.#isInLongLine = true;
      return this.#take();
    }
    const head = chunk.subarray(0, last + 1);
    const whole = this.#rest.length === 0 ? head : Buffer.concat([this.#rest, head]);
    this.#rest = chunk.subarray(last + 1);
    const out: Buffer[] = [];
    const ends = new LineEnds(whole);
    let start = 0;
    if (this.#isInLongLine) {
      start = ends.after(0);
      out.push(whole.subarray(0, start));
      this.#isInLongLine = false;
    }
    while (start < whole.length) {
      const end = ends.after(start);
      out.push(this.#line(whole.subarray(start, end)));
      start = end;
    }
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  /** The rest, when the stream has ended. */
  flush(): Buffer {
    return this.#isInLongLine ? this.#take() : this.#line(this.#take());
  }

  #take(): Buffer {
    const rest = this.#rest;
    this.#rest = EMPTY;
    return rest;
  }

  #line(line: Buffer): Buffer {
    const at = this.#isFirst && line.toString('latin1', 0, 3) === BYTE_ORDER_MARK ? 3 : 0;
    this.#isFirst = false;
    const start = at + FIELD.length;
    if (line.length < start + 2 || line.toString('latin1', at, start) !== FIELD) return line;
    const payload = line.subarray(start);
    const spliced = spliceModel(payload, this.#model);
    return spliced === payload ? line : Buffer.concat([line.subarray(0, start), spliced]);
  }
}

/** Finds the ends of lines in bytes from left to right. */
class LineEnds {
  readonly #bytes: Buffer;
  #feed: number;
  #return: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#feed = bytes.indexOf(LINE_FEED);
    this.#return = bytes.indexOf(RETURN);
  }

  /** Where the line that starts here ends, its line end included. */
  after(start: number): number {
    if (this.#feed >= 0 && this.#feed < start) this.#feed = this.#bytes.indexOf(LINE_FEED, start);
    // Streams without any CR are searched for one only once.
    if (this.#return >= 0 && this.#return < start) this.#return = this.#bytes.indexOf(RETURN, start);
    if (this.#return < 0) return this.#feed + 1;
    return (this.#feed < 0 ? this.#return : Math.min(this.#feed, this.#return)) + 1;
  }
}
