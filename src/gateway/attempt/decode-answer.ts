import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';

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
 * What comes out of a compressed answer. `unknown`: it has an encoding that is not read, or becomes too large. `broken`:
 * its bytes are not what its encoding says.
 */
export function decodeAnswer(encoding: string, body: Buffer): Buffer | 'unknown' | 'broken' {
  const decode = DECODERS.get(encoding.trim().toLowerCase());
  if (decode === undefined) return 'unknown';
  if (body.length === 0) return body;
  try {
    return decode(body);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE' ? 'unknown' : 'broken';
  }
}
