import { formHint } from '../serving/form-hint.ts';
import type { Deployment, FormSign } from '../serving/form-hint.ts';
import { countPairs, SHARE_FIGURES } from './figures.ts';
import type { ShareFigure } from './figures.ts';
import { compareCosines, compareDensity, compareLikeness } from './likeness.ts';
import type { Cosines, Likeness, TextDensity } from './likeness.ts';
import type { ComparedPair } from './pair.ts';
import { pairsNeeded, shareDifference, verdictOn } from './paired-share.ts';
import type { PairCounts, ShareDifference, Verdict } from './paired-share.ts';
import { comparePromptTokens } from './prompt-tokens.ts';
import type { PromptTokens } from './prompt-tokens.ts';

/** The chance that two equal sides are called different, all figures together. */
export const WRONGLY_DIFFERENT = 0.01;

/** A share on both sides, and what its difference says. */
export interface SharePart extends ShareDifference {
  readonly figure: ShareFigure;
  readonly counts: PairCounts;
  readonly margin: number;
  readonly verdict: Verdict;
  /** If it is open: how many requests would decide. Null: more than 200,000, or it is not open. */
  readonly needed: number | null;
}

/** What a comparison found. */
export interface Comparison {
  readonly verdict: Verdict;
  readonly pairs: number;
  /** Pairs in which a side was limited in rate, or that were stopped. */
  readonly left: number;
  readonly shares: readonly SharePart[];
  readonly promptTokens: PromptTokens | null;
  readonly density: TextDensity | null;
  readonly cosines: Cosines | null;
  readonly likeness: Likeness | null;
  /** One sentence for each difference and each advice, the most important first; then what is open, unless something differs. */
  readonly sentences: readonly string[];
}

/** The deployments that are compared. */
export interface Sides {
  readonly a: Deployment;
  readonly b: Deployment;
}

/**
 * Compares two sides by their answers to the same requests. `margin`: how far apart shares of answers may be, 0..1, to count
 * as the same.
 */
export function comparePairs(all: readonly ComparedPair[], margin: number, sides: Sides): Comparison {
  const pairs = all.filter(({ a, b }) => a.kind !== 'left' && b.kind !== 'left');
  const counted = SHARE_FIGURES.map((figure) => ({ figure, counts: countPairs(pairs, figure) })).filter(
    ({ counts }) => counts.pairs > 0,
  );
  // The density of texts is one figure more, and the likeness another.
  const error = WRONGLY_DIFFERENT / (counted.length + 2);
  const shares = counted.map((one) => sharePart(one, { margin: margin * one.figure.part, error }, pairs.length));
  const found = {
    shares,
    promptTokens: comparePromptTokens(pairs),
    density: compareDensity(pairs, error),
    cosines: compareCosines(pairs),
    likeness: compareLikeness(pairs, error),
  };
  const verdicts = [
    ...shares.map(({ verdict }) => verdict),
    ...[found.promptTokens, found.density, found.cosines].flatMap((one) => one?.verdict ?? []),
  ];
  const verdict = verdicts.includes('different')
    ? 'different'
    : shares.some(isAboutAnswers) && !verdicts.includes('open')
      ? 'same'
      : 'open';
  const left = all.length - pairs.length;
  return { verdict, pairs: pairs.length, left, ...found, sentences: sentencesOf(found, pairs, sides) };
}

/** Whether a part says more than that calls were answered at all. */
function isAboutAnswers({ figure, counts }: SharePart): boolean {
  return figure.name !== 'answered' || counts.pairs > counts.both;
}

function sharePart(
  { figure, counts }: { readonly figure: ShareFigure; readonly counts: PairCounts },
  rule: { readonly margin: number; readonly error: number },
  requests: number,
): SharePart {
  const difference = shareDifference(counts);
  const verdict = verdictOn(difference, rule);
  const needed = verdict === 'open' ? pairsNeeded(counts, rule) : null;
  const all = needed === null ? null : roundUp((needed * requests) / counts.pairs);
  return { ...difference, figure, counts, margin: rule.margin, verdict, needed: all };
}

/** To two digits, upwards: 230, 1 300. */
function roundUp(count: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(count)) - 1);
  return Math.ceil(count / unit) * unit;
}

type Found = Pick<Comparison, 'shares' | 'promptTokens' | 'density' | 'cosines' | 'likeness'>;

/** Says each hint once: several figures may have the same cause. */
class Sentences {
  readonly all: string[] = [];
  readonly #sides: Sides;
  readonly #hinted = new Set<string>();

  constructor(sides: Sides) {
    this.#sides = sides;
  }

  add(text: string, sign: FormSign | null = null, of: 'a' | 'b' = 'b'): void {
    const hint = sign === null ? null : formHint(sign, this.#sides[of]);
    const isNew = hint !== null && !this.#hinted.has(hint);
    this.all.push(isNew ? `${text}: ${hint}` : text);
    if (isNew) this.#hinted.add(hint);
  }
}

function sentencesOf(
  { shares, promptTokens, density, cosines, likeness }: Found,
  pairs: readonly ComparedPair[],
  sides: Sides,
): readonly string[] {
  const said = new Sentences(sides);
  for (const part of shares) if (part.verdict === 'different') addDifference(said, part, pairs);
  if (promptTokens?.verdict === 'different') said.add(promptTokens.sentence ?? '', promptTokens.sign);
  if (density?.verdict === 'different') {
    const { a, b } = density;
    said.add(`a token makes ${b.toFixed(1)} characters at B and ${a.toFixed(1)} at A`, 'tokenizer');
  }
  if (cosines?.verdict === 'different') {
    said.add(`embeddings have a cosine of ${cosines.usual.toFixed(4)} (median), not above 0.999`, 'tokenizer');
  }
  if (promptTokens !== null && promptTokens.verdict !== 'different' && promptTokens.sentence !== null) {
    said.add(promptTokens.sentence);
  }
  if (likeness?.isLess === true) {
    // Where something else differs, other words are no news.
    if (said.all.length > 0) said.add(likenessText(likeness));
    else said.add(`${likenessText(likeness)}; other hardware writes other words, but if it is the same`, 'agreement');
  }
  const open = shares.filter(({ verdict }) => verdict === 'open');
  const isDifferent = [...shares, promptTokens, density, cosines].some((one) => one?.verdict === 'different');
  if (open.length > 0 && !isDifferent) said.add(openText(open));
  return said.all;
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** The hint is about the side that is worse; if none is, about B. */
function addDifference(said: Sentences, { figure, counts, a, b }: SharePart, pairs: readonly ComparedPair[]): void {
  const isAWorse = figure.isFault && a > b;
  const [worse, better] = isAWorse ? (['A', 'B'] as const) : (['B', 'A'] as const);
  const [of, against] = isAWorse ? [a, b] : [b, a];
  const kind = figure.name === 'answered' ? refusedKind(pairs, isAWorse ? 'a' : 'b') : null;
  const which = kind === null ? '' : ` (${KIND_WORDS[kind]})`;
  const text = `${figure.label}${which}: ${percent(of)} at ${worse} and ${percent(against)} at ${better}, of ${counts.pairs}`;
  said.add(text, kind === null ? figure.sign : KIND_SIGNS[kind], isAWorse ? 'a' : 'b');
}

type TellingKind = 'tools' | 'json' | 'long';
const KIND_WORDS: Readonly<Record<TellingKind, string>> = {
  tools: 'with tools',
  json: 'with a schema',
  long: 'long ones',
};
const KIND_SIGNS: Readonly<Record<TellingKind, FormSign>> = { tools: 'tools', json: 'format', long: 'context' };
/** The part of the failures that are of one kind if that kind is what fails. */
const MAINLY = 0.9;

/** The kind of request that a side fails, if it is mainly one. */
function refusedKind(pairs: readonly ComparedPair[], side: 'a' | 'b'): TellingKind | null {
  const failed = pairs.filter((pair) => pair[side].kind === 'failed');
  const kinds = Object.keys(KIND_WORDS) as TellingKind[];
  return kinds.find((kind) => failed.filter((pair) => pair.kind === kind).length >= failed.length * MAINLY) ?? null;
}

function likenessText({ between, within, pairs }: Likeness): string {
  return `A's answers are ${percent(between)} alike with B's and ${percent(within)} with its own, by ${pairs} requests`;
}

function openText(open: readonly SharePart[]): string {
  const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`;
  const needed = open.map((part) => part.needed ?? Number.POSITIVE_INFINITY);
  const most = Math.max(...needed);
  const many = `${Number.isFinite(most) ? `about ${most}` : 'more than 200 000'} requests would tell`;
  const labels = open.map(({ figure }) => figure.label);
  const [{ difference, low, high, counts, margin }] = open as [SharePart];
  if (open.length > 1) return `could not tell for ${labels.slice(0, -1).join(', ')} and ${labels.at(-1)}: ${many}`;
  const range = `${points(difference)} points (${points(low)} to ${points(high)}) by ${counts.pairs}`;
  return `could not tell for ${labels[0]}: ${range}, and the margin is ${points(margin).slice(1)}; ${many}`;
}
