import { scanObject } from '../request/scan.ts';

const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 0x0a;
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
 * each `data:` line is one JSON text. A line longer than a megabyte is passed on unchanged.
 */
export class EventSplicer {
  readonly #model: string;
  #rest: Buffer = EMPTY;
  #isInLongLine = false;

  constructor(model: string) {
    this.#model = model;
  }

  /** What can be passed on after this chunk; may be empty. */
  push(chunk: Buffer): Buffer {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last < 0) {
      if (this.#isInLongLine) return chunk;
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      if (this.#rest.length <= LONGEST_LINE) return EMPTY;
      this.#isInLongLine = true;
      return this.#take();
    }
    const tail = chunk.subarray(last + 1);
    const head = chunk.subarray(0, last + 1);
    const whole = this.#rest.length === 0 ? head : Buffer.concat([this.#rest, head]);
    this.#rest = tail;
    const out: Buffer[] = [];
    let start = 0;
    if (this.#isInLongLine) {
      start = whole.indexOf(NEWLINE) + 1;
      out.push(whole.subarray(0, start));
      this.#isInLongLine = false;
    }
    while (start < whole.length) {
      const end = whole.indexOf(NEWLINE, start) + 1;
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
    if (line.length < 7 || line.toString('latin1', 0, 5) !== 'data:') return line;
    const payload = line.subarray(5);
    const spliced = spliceModel(payload, this.#model);
    return spliced === payload ? line : Buffer.concat([line.subarray(0, 5), spliced]);
  }
}
