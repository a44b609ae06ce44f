import { createHmac } from 'node:crypto';
import { skipSpace, skipValue } from '../../core/json-scan.ts';
import type { SessionPlaces } from './scan.ts';

/** So much of a conversation's beginning tells it from others. */
const MOST_BYTES = 65_536;
const COMMA = 0x2c;
const BY_USER = /"role"\s*:\s*"user"/;

/** A call, as far as it tells its conversation. */
interface Told {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** Null if the body could not be read. */
  readonly places: SessionPlaces | null;
}

/**
 * Tells which conversation a call belongs to: by `prompt_cache_key`, else `user`, else the header `X-Session-Id`, else the
 * system's and the first user's messages, which all later calls of the conversation repeat. Only a keyed hash of it is kept.
 */
export class Sessions {
  readonly #salt: string;

  constructor(salt: string) {
    this.#salt = salt;
  }

  /** The hash of a call's conversation, a whole number below 2^53; null if nothing tells it. */
  of({ headers, body, places }: Told): number | null {
    if (places !== null && places.keyStart >= 0) {
      const name = places.isCacheKey ? 'cache key' : 'user';
      return this.#hash(name, [body.subarray(places.keyStart, Math.min(places.keyEnd, places.keyStart + MOST_BYTES))]);
    }
    const sent = headers['x-session-id'];
    if (typeof sent === 'string' && sent.trim() !== '')
      return this.#hash('header', [Buffer.from(sent.trim(), 'latin1')]);
    const beginning = places === null ? [] : beginningOf(body, places);
    return beginning.length === 0 ? null : this.#hash('messages', beginning);
  }

  #hash(name: string, parts: readonly Buffer[]): number {
    const hmac = createHmac('sha256', this.#salt).update(`session ${name}`);
    for (const part of parts) hmac.update('\0').update(part);
    const digest = hmac.digest();
    return digest.readUIntBE(0, 6) * 32 + (digest.readUInt8(6) >> 3);
  }
}

/** The bytes of the system's message and of the messages up to the first one of the user. */
function beginningOf(body: Buffer, { systemStart, systemEnd, messagesStart, messagesEnd }: SessionPlaces): Buffer[] {
  if (messagesStart < 0) return [];
  const parts = systemStart < 0 ? [] : [body.subarray(systemStart, Math.min(systemEnd, systemStart + MOST_BYTES))];
  const most = Math.min(messagesEnd, messagesStart + MOST_BYTES);
  // One character for each byte, so that places in the text are places in the body.
  const end = messagesStart + endOfFirst(body.toString('latin1', messagesStart, most));
  return [...parts, body.subarray(messagesStart, end)];
}

/** Where the first message of the user ends, in a list of messages that may be cut off; the end of the text if it has none. */
function endOfFirst(text: string): number {
  for (let at = skipSpace(text, 1); ;) {
    const end = skipValue(text, at);
    if (end < 0) return text.length;
    if (BY_USER.test(text.slice(at, end))) return end;
    const comma = skipSpace(text, end);
    if (text.charCodeAt(comma) !== COMMA) return text.length;
    at = skipSpace(text, comma + 1);
  }
}
