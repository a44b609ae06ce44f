/** What the gateway needs to know of a JSON request body (or answer), found without building its objects. */
export interface Scan {
  /** The last top-level `model` that is a string; null where there is none. */
  model: string | null;
  /** Byte range of that string in the body, quotes included; both -1 where there is none. */
  modelStart: number;
  modelEnd: number;
  isStream: boolean;
  hasTools: boolean;
  isStructured: boolean;
  hasMedia: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const SHORT_STRING = 32;
const LONGEST_KEY = 128;
const LONGEST_MODEL = 1024;

const KEYS: ReadonlySet<string> = new Set(['model', 'stream', 'tools', 'response_format']);
const MEDIA: ReadonlySet<string> = new Set(['image_url', 'video_url', 'input_audio']);

/**
 * Scans a JSON object by the rules of strings and nesting alone, in one pass over all of it: a key may be repeated, and
 * then the last one counts, as for JSON.parse. Numbers, literals and what nested values hold are left to whoever parses
 * the body. Returns null where the bytes cannot be a JSON object.
 */
export function scanObject(body: Buffer): Scan | null {
  const found: Scan = {
    model: null,
    modelStart: -1,
    modelEnd: -1,
    isStream: false,
    hasTools: false,
    isStructured: false,
    hasMedia: false,
  };
  let at = skipSpace(body, 0);
  if (body[at] !== OPEN_BRACE) return null;
  at = skipSpace(body, at + 1);
  if (body[at] === CLOSE_BRACE) return skipSpace(body, at + 1) === body.length ? found : null;
  for (;;) {
    at = scanMember(body, at, found);
    if (at < 0) return null;
    const next = body[at];
    if (next === CLOSE_BRACE) return skipSpace(body, at + 1) === body.length ? found : null;
    if (next !== COMMA) return null;
    at = skipSpace(body, at + 1);
  }
}

/** Scans `"key": value` and the space behind it; returns the index of what follows, or -1. */
function scanMember(body: Buffer, from: number, found: Scan): number {
  if (body[from] !== QUOTE) return -1;
  const keyEnd = skipString(body, from + 1);
  if (keyEnd < 0) return -1;
  let at = skipSpace(body, keyEnd + 1);
  if (body[at] !== COLON) return -1;
  const start = skipSpace(body, at + 1);
  const end = skipValue(body, start, found);
  if (end < 0) return -1;
  const key = nameOf(body, from, keyEnd);
  if (key === null) return -1;
  if (KEYS.has(key) && !take(body, key, start, end, found)) return -1;
  at = skipSpace(body, end);
  return at;
}

/** A key's text where it may be one of ours, '' where it cannot; null where its escapes are wrong. */
function nameOf(body: Buffer, start: number, end: number): string | null {
  const length = end - start - 1;
  if (length > LONGEST_KEY) return '';
  const text = body.toString('latin1', start + 1, end);
  return text.includes('\\') ? decodeString(body, start, end + 1) : text;
}

function take(body: Buffer, key: string, start: number, end: number, found: Scan): boolean {
  const first = body[start];
  if (key === 'model') {
    found.model = null;
    found.modelStart = found.modelEnd = -1;
    if (first !== QUOTE) return true;
    if (end - start > LONGEST_MODEL) return false;
    const model = decodeString(body, start, end);
    if (model === null) return false;
    found.model = model;
    found.modelStart = start;
    found.modelEnd = end;
  } else if (key === 'stream') {
    found.isStream = first === 0x74;
  } else if (key === 'tools') {
    found.hasTools = first !== 0x6e && body[skipSpace(body, start + 1)] !== CLOSE_BRACKET;
  } else {
    found.isStructured = first !== 0x6e;
  }
  return true;
}

/** Decodes a JSON string token, quotes included; null where its escapes or characters are not JSON. */
function decodeString(body: Buffer, start: number, end: number): string | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8', start, end));
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

function skipSpace(body: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const byte = body[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** From behind an opening quote to the closing one; -1 where there is none. */
function skipString(body: Buffer, from: number): number {
  let at = from;
  const near = Math.min(body.length, from + SHORT_STRING);
  while (at < near) {
    const byte = body[at];
    if (byte === QUOTE) return at;
    at += byte === BACKSLASH ? 2 : 1;
  }
  for (;;) {
    const quote = body.indexOf(QUOTE, at);
    if (quote < 0) return -1;
    let run = quote;
    while (run > at && body[run - 1] === BACKSLASH) run--;
    if (((quote - run) & 1) === 0) return quote;
    at = quote + 1;
  }
}

/** From a value's first byte to the byte behind its last; -1 where it does not end or is empty. */
function skipValue(body: Buffer, from: number, found: Scan): number {
  const first = body[from];
  if (first === QUOTE) {
    const end = skipString(body, from + 1);
    if (end < 0) return -1;
    noteMedia(body, from, end, found);
    return end + 1;
  }
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(body, from, found);
  let at = from;
  for (; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20) break;
    if (byte === QUOTE || byte === COLON || byte === OPEN_BRACE || byte === OPEN_BRACKET) return -1;
  }
  return at === from ? -1 : at;
}

function skipNested(body: Buffer, from: number, found: Scan): number {
  let depth = 0;
  const { length } = body;
  for (let at = from; at < length; at++) {
    const byte = body[at] as number;
    if (byte === QUOTE) {
      const end = skipString(body, at + 1);
      if (end < 0) return -1;
      noteMedia(body, at, end, found);
      at = end;
    } else if (byte >= OPEN_BRACKET) {
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
    }
  }
  return -1;
}

/** In valid JSON the bytes `"image_url"` occur exactly where a string of that text stands, whole and unescaped. */
function noteMedia(body: Buffer, quote: number, end: number, found: Scan): void {
  const length = end - quote - 1;
  if ((length === 9 || length === 11) && !found.hasMedia) {
    const first = body[quote + 1];
    if ((first === 0x69 || first === 0x76) && MEDIA.has(body.toString('latin1', quote + 1, end))) found.hasMedia = true;
  }
}
