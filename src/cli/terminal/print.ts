import { stripVTControlCharacters } from 'node:util';

/** Colours by name; the plain painter leaves text as it is. */
export interface Paint {
  (name: Style, text: string): string;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** A painter that colours, or one that does not. */
export function createPaint(color: boolean): Paint {
  const paint = (name: Style, text: string): string => {
    const [on, off] = CODES[name];
    return color && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  };
  const named = (name: Style) => (text: string) => paint(name, text);
  return Object.assign(paint, {
    bold: named('bold'),
    dim: named('dim'),
    red: named('red'),
    green: named('green'),
    yellow: named('yellow'),
    cyan: named('cyan'),
  });
}

/** The painter for a stream: colours on a terminal only, and never where NO_COLOR is set. */
export function painter(stream: { readonly isTTY?: boolean }): Paint {
  return createPaint(hasColor(stream));
}

/** Whether a stream takes colours. */
export function hasColor(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

/** What of a stream says whether it is a terminal, and how wide. */
interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Columns of a stream; 80 if it is no terminal. */
export function widthOf(stream: Terminal): number {
  return Math.max(40, Math.min(stream.columns ?? 80, 120));
}

/** Prints one JSON value on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints text, ending it with one line break. */
export function printText(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Prints a warning for people; on standard error, so that it never gets among the results. */
export function warn(text: string): void {
  const { stderr } = process;
  stderr.write(labelled('warning:', clean(text), { paint: painter(stderr).yellow, stream: stderr }));
}

/**
 * A text behind a label, with a line break at the end. A terminal gets it wrapped at its width, below the label's end. A
 * pipe or a file gets every line whole, so that a program can find a sentence in it.
 */
export function labelled(
  label: string,
  text: string,
  { paint, stream }: { readonly paint: (text: string) => string; readonly stream: Terminal },
): string {
  const lines = clean(text, true).split('\n');
  const wrapped =
    stream.isTTY === true ? lines.flatMap((line, i) => wrapBelow(line, i === 0 ? label : '', stream)) : lines;
  return `${paint(label)} ${wrapped.join('\n')}\n`;
}

/** Wraps a line that follows a label, or one that has an indent of its own. */
function wrapBelow(line: string, label: string, stream: Terminal): string[] {
  const own = /^ */.exec(line)?.[0] ?? '';
  const indent = label === '' ? own : ' '.repeat(label.length + 1);
  const [first = '', ...rest] = wrap(line.trimStart(), widthOf(stream) - indent.length);
  return [own + first, ...rest.map((part) => indent + part)];
}

/** Control characters, and what makes text run in another direction than it seems to. */
const TRICKS = '\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
const TRICKS_IN_LINES = new RegExp(`[${TRICKS}]`, 'g');
const TRICKS_IN_A_LINE = new RegExp(`[${TRICKS}\\n]`, 'g');

/**
 * Takes control characters and marks of direction out of a text that others wrote, so that it cannot play tricks with the
 * terminal.
 */
export function clean(text: string, keepsLines = false): string {
  return text.replace(keepsLines ? TRICKS_IN_LINES : TRICKS_IN_A_LINE, '\ufffd');
}

/** The same for every text in a value. */
export function cleanAll<T>(value: T): T {
  if (typeof value === 'string') return clean(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => cleanAll(item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [clean(key), cleanAll(inner as unknown)])) as T;
}

/** How many columns a text takes, colours apart. */
export function lengthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/** Fills a text up with blanks, on its right or, for numbers, on its left. */
export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - lengthOf(text)));
  return side === 'left' ? text + blanks : blanks + text;
}

/** Cuts a plain text to a width. */
export function cut(text: string, width: number): string {
  const letters = Array.from(text);
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}\u2026`;
}

/**
 * Breaks a plain text at blanks into lines of at most `width` columns, but leaves `5 %`, `2 500` and `20 : 1` whole; longer
 * words are broken.
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(/(?<! :)(?<!\d(?= \d{3}(?!\d))) (?![%/:])/)) {
    if (line !== '' && line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      if (line !== '') lines.push(line);
      while (word.length > width) {
        lines.push(word.slice(0, width));
        word = word.slice(width);
      }
      line = word;
    }
  }
  return [...lines, line];
}

export interface Column {
  readonly title: string;
  readonly side?: 'left' | 'right';
}

/** Lays out rows under titles, two blanks between columns. Cells may be coloured. Returns lines without an end. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = columns.map(({ title }, i) => Math.max(lengthOf(title), ...rows.map((row) => lengthOf(row[i] ?? ''))));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ side }, i) => pad(cells[i] ?? '', widths[i] ?? 0, side === 'right' ? 'right' : 'left'))
      .join('  ')
      .trimEnd();
  const titles = columns.map(({ title }) => title);
  const head = titles.some((title) => title !== '') ? [paint.dim(line(titles))] : [];
  return [...head, ...rows.map(line)];
}
