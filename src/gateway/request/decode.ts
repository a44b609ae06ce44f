import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';

type Decoder = ReturnType<typeof createGunzip | typeof createBrotliDecompress | typeof createZstdDecompress>;

const CHUNK = { chunkSize: 64 * 1024 };

/** How each encoding is decoded: one way after the other is tried. */
const DECODERS: ReadonlyMap<string, readonly (() => Decoder)[]> = new Map([
  ['identity', []],
  ['gzip', [() => createGunzip(CHUNK)]],
  ['x-gzip', [() => createGunzip(CHUNK)]],
  ['br', [() => createBrotliDecompress(CHUNK)]],
  ['zstd', [() => createZstdDecompress(CHUNK)]],
  // Some programs leave out the wrapping that the standard asks for.
  ['deflate', [() => createInflate(CHUNK), () => createInflateRaw(CHUNK)]],
]);

/** A body within so many encodings is read; nobody uses more. */
const MOST_ENCODINGS = 3;
/** Texts become up to 20 times smaller. A body that becomes more than a hundred times larger wants to do harm. */
const BOMB_RATIO = 100;

/** The plain text of an encoded body, or why there is none. */
export type Decoded = Buffer | 'unreadable' | 'oversized' | 'bomb';

/** Whether a `Content-Encoding` says that a body is encoded. */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity';
}

/**
 * The plain text of an encoded body. It is `unreadable` if an encoding is unknown or the bytes are not what they should
 * be. If it has more than `mostBytes`, it is a `bomb` or, if its length is in proportion, `oversized`. The work is done
 * beside the event loop and ends at that bound, so that a small body that stands for an endless text costs no more than
 * an honest one.
 */
export async function decodeBody(encoding: string, body: Buffer, mostBytes: number): Promise<Decoded> {
  const names = encoding.toLowerCase().split(',', MOST_ENCODINGS + 1);
  if (names.length > MOST_ENCODINGS) return 'unreadable';
  let text = body;
  for (const name of names.toReversed()) {
    const decoded = await decodeOne(DECODERS.get(name.trim()), text, mostBytes);
    if (typeof decoded === 'string') return decoded;
    text = decoded;
  }
  return text;
}

async function decodeOne(
  ways: readonly (() => Decoder)[] | undefined,
  body: Buffer,
  mostBytes: number,
): Promise<Decoded> {
  let decoded: Decoded = ways?.length === 0 ? body : 'unreadable';
  for (const make of ways ?? []) {
    decoded = await inflate(make(), body, mostBytes);
    if (decoded !== 'unreadable') break;
  }
  return decoded;
}

async function inflate(decoder: Decoder, body: Buffer, mostBytes: number): Promise<Decoded> {
  const chunks: Buffer[] = [];
  let length = 0;
  decoder.end(body);
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      length += chunk.length;
      // What was read of the body so far is known, so that the proportion is that of the part which was decoded.
      if (length > mostBytes) return length > decoder.bytesWritten * BOMB_RATIO ? 'bomb' : 'oversized';
      chunks.push(chunk);
    }
  } catch {
    return 'unreadable';
  }
  return Buffer.concat(chunks, length);
}
