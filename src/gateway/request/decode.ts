import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib';

type Decode = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const inflateWrapped: Decode = promisify(inflate);
const inflateBare: Decode = promisify(inflateRaw);

const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
  // Some programs leave out the wrapping that the standard asks for.
  ['deflate', (body, options) => inflateWrapped(body, options).catch(() => inflateBare(body, options))],
]);

/** Whether a `Content-Encoding` says that a body is encoded. */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity';
}

/**
 * The plain text of an encoded body; null if it cannot be read: an unknown or a further encoding, bytes that are not
 * what they should be, or more than `mostBytes` of text. The work is done beside the event loop and ends at that bound,
 * so that a small body that stands for an endless text costs no more than an honest one.
 */
export async function decodeBody(encoding: string, body: Buffer, mostBytes: number): Promise<Buffer | null> {
  const decode = DECODERS.get(encoding.trim().toLowerCase());
  if (decode === undefined) return null;
  try {
    return await decode(body, { maxOutputLength: mostBytes });
  } catch {
    return null;
  }
}
