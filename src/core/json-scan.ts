const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** A member of a JSON object: its name, if it is written without escapes, and where its value is in the text. */
export interface Member {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/** Longer names are none that anybody looks for: they are given as ''. */
const LONGEST_KEY = 128;

/**
 * The members of a JSON object, found by the rules of strings and nesting alone: numbers, literals and the insides of
 * nested values are not checked. Null if the text cannot be one whole JSON object. Works on text with one character for
 * each byte as well as on decoded text.
 */
export function topMembers(text: string): Member[] | null {
  const members: Member[] = [];
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_BRACE) return null;
  at = skipSpace(text, at + 1);
  if (text.charCodeAt(at) === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length ? members : null;
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return null;
    const keyEnd = skipString(text, at + 1);
    if (keyEnd < 0) return null;
    const key = keyEnd - at > LONGEST_KEY ? '' : text.slice(at + 1, keyEnd);
    at = skipSpace(text, keyEnd + 1);
    if (text.charCodeAt(at) !== COLON) return null;
    const start = skipSpace(text, at + 1);
    const end = skipValue(text, start);
    if (end < 0) return null;
    members.push({ key, start, end });
    at = skipSpace(text, end);
    const next = text.charCodeAt(at);
    if (next === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length ? members : null;
    if (next !== COMMA) return null;
    at = skipSpace(text, at + 1);
  }
}

/** The index of the first character from `from` on that is no white space of JSON. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const byte = text.charCodeAt(at);
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** The index of the closing quote; `from`: after the opening one. -1 if there is none. */
function skipString(text: string, from: number): number {
  for (let at = from; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0 || text.charCodeAt(quote - 1) !== BACKSLASH) return quote;
    let run = quote - 1;
    while (run > from && text.charCodeAt(run - 1) === BACKSLASH) run--;
    if (((quote - run) & 1) === 0) return quote;
    at = quote + 1;
  }
}

/** The index after a value that begins at `from`; -1 if it does not end or is empty. */
export function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) {
    const end = skipString(text, from + 1);
    return end < 0 ? -1 : end + 1;
  }
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, from);
  let at = from;
  for (; at < text.length; at++) {
    const byte = text.charCodeAt(at);
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20) break;
    if (byte === QUOTE || byte === COLON || byte === OPEN_BRACE || byte === OPEN_BRACKET) return -1;
  }
  return at === from ? -1 : at;
}

function skipNested(text: string, from: number): number {
  let depth = 0;
  const { length } = text;
  for (let at = from; at < length; at++) {
    const byte = text.charCodeAt(at);
    if (byte === QUOTE) {
      at = skipString(text, at + 1);
      if (at < 0) return -1;
    } else if (byte >= OPEN_BRACKET) {
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
    }
  }
  return -1;
}
