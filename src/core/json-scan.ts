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

/** Takes a string within a value: the indexes of its quotes. */
export type TakeString = (text: string, quote: number, end: number) => void;

/** Takes a member: the indexes of its name's quotes and of its value. Returns false if that cannot be JSON. */
export type TakeMember = (text: string, quote: number, keyEnd: number, start: number, end: number) => boolean;

/**
 * Finds the members of a JSON object by the rules of strings and nesting alone: numbers, literals and the insides of
 * nested values are not checked. Returns whether the text from `from` on is one whole JSON object, as far as that shows.
 * Works on text with one character for each byte as well as on decoded text.
 */
export function walkMembers(text: string, from: number, takeMember: TakeMember, takeString?: TakeString): boolean {
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) !== OPEN_BRACE) return false;
  at = skipSpace(text, at + 1);
  if (text.charCodeAt(at) === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length;
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return false;
    const quote = at;
    const keyEnd = skipString(text, at + 1);
    if (keyEnd < 0) return false;
    at = skipSpace(text, keyEnd + 1);
    if (text.charCodeAt(at) !== COLON) return false;
    const start = skipSpace(text, at + 1);
    const end = skipValue(text, start, takeString);
    if (end < 0 || !takeMember(text, quote, keyEnd, start, end)) return false;
    at = skipSpace(text, end);
    const next = text.charCodeAt(at);
    if (next === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length;
    if (next !== COMMA) return false;
    at = skipSpace(text, at + 1);
  }
}

/** The members of a JSON object; null if the text cannot be one whole JSON object. */
export function topMembers(text: string): Member[] | null {
  const members: Member[] = [];
  const isObject = walkMembers(text, 0, (_, quote, keyEnd, start, end) => {
    members.push({ key: keyEnd - quote > LONGEST_KEY ? '' : text.slice(quote + 1, keyEnd), start, end });
    return true;
  });
  return isObject ? members : null;
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
export function skipValue(text: string, from: number, takeString?: TakeString): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) {
    const end = skipString(text, from + 1);
    if (end < 0) return -1;
    takeString?.(text, from, end);
    return end + 1;
  }
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, from, takeString);
  let at = from;
  for (; at < text.length; at++) {
    const byte = text.charCodeAt(at);
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20) break;
    if (byte === QUOTE || byte === COLON || byte === OPEN_BRACE || byte === OPEN_BRACKET) return -1;
  }
  return at === from ? -1 : at;
}

function skipNested(text: string, from: number, takeString?: TakeString): number {
  let depth = 0;
  const { length } = text;
  for (let at = from; at < length; at++) {
    const byte = text.charCodeAt(at);
    if (byte === QUOTE) {
      const end = skipString(text, at + 1);
      if (end < 0) return -1;
      takeString?.(text, at, end);
      at = end;
    } else if (byte >= OPEN_BRACKET) {
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
    }
  }
  return -1;
}
