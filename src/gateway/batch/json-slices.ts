/** The position of a member of an object, or of an element of an array, in a JSON text: [start, end) is its value. */
export interface Slice {
  /** '' in an array. */
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * The members of the object, or the elements of the array, that begins at `from` or after white space there. The text
 * must be valid JSON. Values are located and not parsed, so that a text made of slices keeps every digit and escape as
 * sent.
 */
export function slicesOf(text: string, from = 0): Slice[] {
  const open = skipSpace(text, from);
  const isObject = text.charCodeAt(open) === OPEN_BRACE;
  const slices: Slice[] = [];
  let at = skipSpace(text, open + 1);
  if (text.charCodeAt(at) === (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return slices;
  for (;;) {
    let key = '';
    if (isObject) {
      const keyEnd = endOfString(text, at);
      key = JSON.parse(text.slice(at, keyEnd)) as string;
      at = skipSpace(text, skipSpace(text, keyEnd) + 1);
    }
    const end = endOfValue(text, at);
    slices.push({ key, start: at, end });
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) return slices;
    at = skipSpace(text, at + 1);
  }
}

/** The texts of the elements of the array that begins at `from`. */
export function elementsOf(text: string, from = 0): string[] {
  return slicesOf(text, from).map(({ start, end }) => text.slice(start, end));
}

/** The text with some of its slices replaced; they must be in order. */
export function withSlices(
  text: string,
  changes: readonly (readonly [Pick<Slice, 'start' | 'end'>, string])[],
): string {
  let out = '';
  let at = 0;
  for (const [{ start, end }, value] of changes) {
    out += text.slice(at, start) + value;
    at = end;
  }
  return out + text.slice(at);
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(text, start);
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20) break;
  }
  return at;
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let run = quote;
    while (text.charCodeAt(run - 1) === BACKSLASH) run--;
    if (((quote - run) & 1) === 0) return quote + 1;
    at = quote + 1;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
  return at;
}
