import type { Agreement } from '../form/agreement.ts';
import { signTest } from '../stats/binomial.ts';
import type { ComparedPair, Ended } from './pair.ts';
import type { Verdict } from './paired-share.ts';

/** How alike the answers of both sides are, against how alike A's are with themselves. */
export interface Likeness {
  /** Requests that were sent to A twice and to B. */
  readonly pairs: number;
  /** The mean likeness, 0..1: of A with B, and of A with A. */
  readonly between: number;
  readonly within: number;
  /** Whether the answers of A and B are less alike than A's own are. */
  readonly isLess: boolean;
}

/**
 * Compares the likeness of A and B with that of A and A, request by request. If B answers as A does, the answers of B and the
 * second ones of A could be exchanged, so that each is as often the more alike one (sign test; `error`: the chance that
 * `isLess` is said wrongly). Null without such requests.
 */
export function compareLikeness(pairs: readonly ComparedPair[], error: number): Likeness | null {
  const both = pairs.flatMap(({ agreement, baseline }) => {
    const [between, within] = [likenessOf(agreement), likenessOf(baseline)];
    return between === null || within === null ? [] : [{ between, within }];
  });
  if (both.length === 0) return null;
  const less = both.filter(({ between, within }) => between < within).length;
  const more = both.filter(({ between, within }) => between > within).length;
  return {
    pairs: both.length,
    between: meanOf(both.map(({ between }) => between)),
    within: meanOf(both.map(({ within }) => within)),
    isLess: less > more && signTest(less, more) <= error,
  };
}

/** The common part of the texts; of calls of tools, whether they are the same. */
function likenessOf(agreement: Agreement | null): number | null {
  if (agreement === null) return null;
  const { tools, args, text } = agreement;
  if (tools === null) return text;
  return tools && args !== false ? 1 : 0;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The cosines of the embeddings of both sides. */
export interface Cosines {
  readonly verdict: Verdict;
  readonly pairs: number;
  readonly least: number;
  readonly usual: number;
  /** The least cosine of A with itself. Null if it is not known. */
  readonly within: number | null;
}

/** Embeddings of the same model on other hardware are nearer to each other than this. */
const SAME_COSINE = 0.999;
const LEAST_EMBEDDINGS = 5;

/** Compares embeddings: they are the same if all are nearly parallel. Null if there are none. */
export function compareCosines(pairs: readonly ComparedPair[]): Cosines | null {
  const all = cosinesOf(pairs.map(({ agreement }) => agreement));
  if (all.length === 0) return null;
  const within = cosinesOf(pairs.map(({ baseline }) => baseline));
  const usual = all[all.length >> 1] ?? 1;
  const far = all.filter((cosine) => cosine <= SAME_COSINE).length;
  const verdict =
    far >= 2 || usual <= SAME_COSINE ? 'different' : all.length >= LEAST_EMBEDDINGS && far === 0 ? 'same' : 'open';
  return { verdict, pairs: all.length, least: all[0] ?? 1, usual, within: within[0] ?? null };
}

function cosinesOf(agreements: readonly (Agreement | null)[]): number[] {
  return agreements.flatMap((one) => one?.cosine ?? []).sort((a, b) => a - b);
}

/** Characters per token of both sides' answers, over all of them. */
export interface TextDensity {
  readonly verdict: Verdict;
  readonly pairs: number;
  readonly a: number;
  readonly b: number;
}

/** Answers of one tokenizer hardly differ by more than this. */
const DENSITY = 0.1;
const LEAST_TEXTS = 20;

/** Compares how many characters a token makes: another tokenizer or another language makes more or fewer. */
export function compareDensity(pairs: readonly ComparedPair[], error: number): TextDensity | null {
  const both = pairs.flatMap(({ a, b }) => {
    const [ofA, ofB] = [densityOf(a), densityOf(b)];
    return ofA === null || ofB === null ? [] : [{ a: ofA, b: ofB }];
  });
  if (both.length < LEAST_TEXTS) return null;
  const [a, b] = [medianOf(both.map((one) => one.a)), medianOf(both.map((one) => one.b))];
  const more = both.filter((one) => one.b > one.a).length;
  const fewer = both.filter((one) => one.b < one.a).length;
  const isApart = Math.abs(b / a - 1) > DENSITY;
  const verdict = !isApart ? 'same' : signTest(more, fewer) <= error ? 'different' : 'open';
  return { verdict, pairs: both.length, a, b };
}

function densityOf(ended: Ended): number | null {
  return ended.kind === 'answered' ? (ended.form?.charsPerToken ?? null) : null;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 1;
}
