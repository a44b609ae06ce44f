import { isUtf8 } from 'node:buffer';
import { elementsOf, slicesOf, withSlices } from './json-slices.ts';

/** What a call adds to a batch. Texts are Latin-1, one character for each byte of the body. */
export interface BatchPart {
  readonly kind: 'embedding' | 'features';
  /** The body before and after the value of its input. Calls in one batch must have the same. */
  readonly before: string;
  readonly after: string;
  /** The JSON texts of what is to be embedded. */
  readonly items: readonly string[];
  /** Whether its input is one item and not a list. */
  readonly isSingle: boolean;
  /** Whether its items are lists of tokens. */
  readonly isTokens: boolean;
  /** Its share of the batch's tokens, relative to the weights of the other parts. */
  readonly weight: number;
  readonly bytes: number;
}

/**
 * How deep the lists in an answer to feature extraction nest, for a single item and for a list; null until one is seen.
 */
export interface Depths {
  single: number | null;
  many: number | null;
}

/** Fields that apply to each item by itself. A call that has any other field is not batched. */
const FIELDS: ReadonlySet<string> = new Set([
  'model',
  'encoding_format',
  'dimensions',
  'user',
  'input_type',
  'normalize',
  'prompt_name',
  'truncate',
  'truncation_direction',
  'parameters',
  'options',
]);
const LONGEST_FIELDS = 4_096;
// A text has some tokens in addition to those of its characters.
const WEIGHT_OF_ITEM = 8;

/** Reads a request's body; null if it cannot be part of a batch of at most `most` items and `mostBytes` bytes. */
export function readPart(kind: BatchPart['kind'], body: Buffer, most: number, mostBytes: number): BatchPart | null {
  if (body.length > mostBytes || !isUtf8(body)) return null;
  const text = body.toString('latin1');
  const name = kind === 'embedding' ? 'input' : 'inputs';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const members = slicesOf(text);
  if (members.length !== Object.keys(value).length) return null;
  const slice = members.find(({ key }) => key === name);
  if (slice === undefined || text.length - (slice.end - slice.start) > LONGEST_FIELDS) return null;
  if (!members.every(({ key }) => key === name || (FIELDS.has(key) && isFlat(value[key])))) return null;
  const input = value[name];
  const isTokens = kind === 'embedding' && (isListOfTokens(input) || isListOf(input, isListOfTokens));
  const isSingle = typeof input === 'string' || isListOfTokens(input);
  if (!isTokens && !isText(input) && !isListOf(input, isText)) return null;
  const items = isSingle ? [text.slice(slice.start, slice.end)] : elementsOf(text, slice.start);
  if (items.length > most) return null;
  const weight = items.reduce((sum, item) => sum + weightOf(item, isTokens), 0);
  const [before, after] = [text.slice(0, slice.start), text.slice(slice.end)];
  return { kind, before, after, items, isSingle, isTokens, weight, bytes: body.length };
}

/** The body of one request for all parts. They must have the same `before` and `after`. */
export function joinParts(batchParts: readonly BatchPart[]): Buffer {
  const { before, after } = batchParts[0] as BatchPart;
  return Buffer.from(`${before}[${batchParts.flatMap(({ items }) => items).join(',')}]${after}`, 'latin1');
}

/** Splits the answer to a batch into one answer for each part; null if that is not possible. */
export function splitAnswer(answer: Buffer, batchParts: readonly BatchPart[], depths: Depths): Buffer[] | null {
  const text = answer.toString('latin1');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isEmbedding = batchParts[0]?.kind === 'embedding';
  const parts = isEmbedding ? splitEmbeddings(text, value, batchParts) : splitFeatures(text, value, batchParts, depths);
  return parts === null ? null : parts.map((part) => Buffer.from(part, 'latin1'));
}

/** How deep the lists nest at the beginning of an answer to feature extraction; null if no number follows. */
export function depthOf(text: string): number | null {
  const open = /^\s*((?:\[\s*)+)-?\d/.exec(text);
  return open === null ? null : (open[1] as string).replaceAll(/\s/g, '').length;
}

function splitFeatures(
  text: string,
  value: unknown,
  batchParts: readonly BatchPart[],
  { single, many }: Depths,
): string[] | null {
  if (!Array.isArray(value) || value.length !== countOf(batchParts)) return null;
  const all = elementsOf(text);
  const depth = depthOf(all[0] as string);
  if (depth === null || !all.every((item) => depthOf(item) === depth)) return null;
  const fits = ({ isSingle }: BatchPart) => (isSingle ? single === depth || single === depth + 1 : many === depth + 1);
  if (!batchParts.every(fits)) return null;
  let at = 0;
  return batchParts.map(({ items, isSingle }) => {
    const own = all.slice(at, (at += items.length)).join(',');
    return isSingle && single === depth ? own : `[${own}]`;
  });
}

function splitEmbeddings(text: string, value: unknown, batchParts: readonly BatchPart[]): string[] | null {
  if (!isObject(value)) return null;
  const { data, usage } = value;
  if (!Array.isArray(data) || data.length !== countOf(batchParts)) return null;
  const members = slicesOf(text);
  if (members.length !== Object.keys(value).length) return null;
  const entries = inOrder(
    elementsOf(text, members.find(({ key }) => key === 'data')?.start),
    data.map((entry: unknown) => (isObject(entry) ? entry['index'] : null)),
  );
  if (entries === null) return null;
  const weights = batchParts.map(({ weight }) => weight);
  let at = 0;
  return batchParts.map(({ items }, n) => {
    const own = entries.slice(at, (at += items.length)).map((entry, index) => withIndex(entry, index));
    const changes = members.flatMap((member) => {
      if (member.key === 'data') return [[member, `[${own.join(',')}]`] as const];
      if (member.key !== 'usage' || !isObject(usage)) return [];
      return [[member, shareUsage(text.slice(member.start, member.end), weights, n)] as const];
    });
    return withSlices(text, changes);
  });
}

/** The entries in the order of their `index`; null unless each index occurs exactly once. */
function inOrder(entries: readonly string[], indexes: readonly unknown[]): string[] | null {
  const ordered: string[] = [];
  indexes.forEach((index, i) => {
    if (typeof index === 'number') ordered[index] = entries[i] as string;
  });
  const isWhole = ordered.length === entries.length && entries.every((_, i) => ordered[i] !== undefined);
  return isWhole ? ordered : null;
}

function withIndex(entry: string, index: number): string {
  const slice = slicesOf(entry).find(({ key }) => key === 'index');
  return slice === undefined ? entry : withSlices(entry, [[slice, String(index)]]);
}

/** The n-th part of a `usage`: every number is divided by weight, whole numbers into whole numbers. */
function shareUsage(text: string, weights: readonly number[], n: number): string {
  const members = slicesOf(text);
  const numberAt = (name: string) => {
    const slice = members.find(({ key }) => key === name);
    return slice === undefined ? Number.NaN : Number(text.slice(slice.start, slice.end));
  };
  const prompt = numberAt('prompt_tokens');
  const changes = members.flatMap((member) => {
    const value = text.slice(member.start, member.end);
    if (value.startsWith('{')) return [[member, shareUsage(value, weights, n)] as const];
    if (!/^-?\d/.test(value)) return [];
    const number = Number(value);
    // The total of a part stays the sum of its prompt's tokens and its other tokens.
    const isSum = member.key === 'total_tokens' && Number.isSafeInteger(prompt);
    const part = isSum
      ? shareOf(prompt, weights, n) + shareOf(number - prompt, weights, n)
      : shareOf(number, weights, n);
    return [[member, String(part)] as const];
  });
  return withSlices(text, changes);
}

/** The n-th part of a number, divided by weight. The parts of a whole number are whole, and their sum is the number. */
function shareOf(total: number, weights: readonly number[], n: number): number {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  if (!Number.isSafeInteger(total)) return (total * (weights[n] as number)) / all;
  const until = (end: number) =>
    Math.round(total * (weights.slice(0, end).reduce((sum, weight) => sum + weight, 0) / all));
  return until(n + 1) - until(n);
}

function countOf(batchParts: readonly BatchPart[]): number {
  return batchParts.reduce((sum, { items }) => sum + items.length, 0);
}

function weightOf(item: string, isTokens: boolean): number {
  return isTokens ? item.split(',').length : item.length + WEIGHT_OF_ITEM;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a field contains no list. A list could have one entry for each item. */
function isFlat(value: unknown): boolean {
  return Array.isArray(value) ? false : !isObject(value) || Object.values(value).every(isFlat);
}

// An upstream may refuse an empty text, so a call with one is sent by itself.
function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function isListOf(value: unknown, is: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(is);
}

function isListOfTokens(value: unknown): boolean {
  return isListOf(value, (each) => typeof each === 'number');
}
