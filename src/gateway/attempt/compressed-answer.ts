import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import { NO_USAGE } from '../../core/answer/output.ts';
import type { Usage } from '../../core/answer/output.ts';
import type { AnswerOutcome } from '../../core/answer/stream.ts';
import type { AnswerReader } from './answer-reader.ts';

/** An answer with more bytes than this, or of which more become, is not read: it would hold up all other calls. */
const MOST_BYTES = 128 * 1024;
const MOST_DECODED = 1024 * 1024;

// As clients do it: what was compressed need not have an end of its own.
const ZLIB = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_DECODED };
const BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: MOST_DECODED };
const ZSTD = { finishFlush: constants.ZSTD_e_flush, maxOutputLength: MOST_DECODED };

type Decode = (body: Buffer) => Buffer;

const gunzip: Decode = (body) => gunzipSync(body, ZLIB);
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['br', (body) => brotliDecompressSync(body, BROTLI)],
  ['zstd', (body) => zstdDecompressSync(body, ZSTD)],
  // The first four bits tell whether it has the wrapping that the standard asks for.
  ['deflate', (body) => (((body[0] ?? 0) & 0x0f) === 8 ? inflateSync(body, ZLIB) : inflateRawSync(body, ZLIB))],
]);

/**
 * An answer that was compressed although that was not asked for. It is read at its end, if it is not too large: nobody
 * could tell otherwise that an upstream answers with nothing.
 */
export class CompressedAnswer implements AnswerReader {
  readonly isComplete = false;
  readonly #encoding: string;
  readonly #plain: AnswerReader;
  #chunks: Buffer[] = [];
  #length = 0;
  #outcome: AnswerOutcome | null = null;
  #isRead = false;

  /** `plain`: reads what comes out of it. */
  constructor(encoding: string, plain: AnswerReader) {
    this.#encoding = encoding.trim().toLowerCase();
    this.#plain = plain;
  }

  chunk(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#length <= MOST_BYTES) this.#chunks.push(chunk);
    else this.#chunks = [];
    return false;
  }

  end(): AnswerOutcome {
    return (this.#outcome ??= this.#judge());
  }

  get hasOutput(): boolean | null {
    return this.#isRead ? this.#plain.hasOutput : null;
  }

  get usage(): Usage {
    return this.#isRead ? this.#plain.usage : NO_USAGE;
  }

  #judge(): AnswerOutcome {
    const decode = DECODERS.get(this.#encoding);
    if (decode === undefined || this.#length > MOST_BYTES) return 'ok';
    try {
      const text = this.#length === 0 ? null : decode(Buffer.concat(this.#chunks));
      this.#chunks = [];
      if (text !== null) this.#plain.chunk(text);
    } catch (error) {
      const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
      return isTooLarge ? 'ok' : 'incomplete_answer';
    }
    this.#isRead = true;
    return this.#plain.end();
  }
}
