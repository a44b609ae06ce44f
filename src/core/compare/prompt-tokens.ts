import { PROMPT_OFFSET } from '../policy/judge.ts';
import type { FormSign } from '../serving/form-hint.ts';
import type { ComparedPair, Ended, RequestKind } from './pair.ts';
import type { Verdict } from './paired-share.ts';

/** What the counts of prompt tokens of the same prompts say. */
export interface PromptTokens {
  readonly verdict: Verdict | 'advice';
  readonly pairs: number;
  /** The usual difference, B less A, tokens; and the least and the largest. */
  readonly usual: number;
  readonly least: number;
  readonly most: number;
  readonly sentence: string | null;
  /** What the difference is a sign of. */
  readonly sign: Extract<FormSign, 'promptTokens' | 'tokenizer' | 'context'>;
}

/** A host may rarely count otherwise, for example as a date in its template changes. */
const STRAYS = 0.02;
/** B counts this share of A's tokens at most, in long prompts alone, if it cuts them. */
const CUT = 0.97;
/** Another tokenizer shows if the counts are apart by more than this and in proportion. */
const APART = 0.03;
/** A kind says something from this many pairs on. */
const LEAST_PAIRS = 2;

interface Counted {
  readonly kind: RequestKind;
  readonly a: number;
  readonly b: number;
  readonly again: number | null;
}

/**
 * Compares the counts of prompt tokens. They are fixed by the prompt, the chat template and the tokenizer, so that no chance
 * is involved: if they differ by more than a small constant, the models did not read the same. Null if a side gives no counts.
 */
export function comparePromptTokens(pairs: readonly ComparedPair[]): PromptTokens | null {
  const counted = pairs.flatMap((pair) => countedOf(pair) ?? []);
  if (counted.length < LEAST_PAIRS) return null;
  const differences = counted.map(({ a, b }) => b - a);
  const usual = modeOf(differences);
  const [least, most] = [Math.min(...differences), Math.max(...differences)];
  const said = { pairs: counted.length, usual, least, most, sign: 'promptTokens' } as const;
  const repeated = counted.filter(({ again }) => again !== null);
  const wavering = repeated.filter(({ a, again }) => a !== again).length;
  if (wavering > Math.max(1, repeated.length * STRAYS)) {
    return {
      ...said,
      verdict: 'open',
      sentence:
        'A counts the same prompt differently from call to call: is it several hosts? name one (--model MODEL:provider)',
    };
  }
  const odd = oddKinds(counted, usual);
  if (odd.length === 0) return { ...said, ...constantOf(usual) };
  return { ...said, verdict: 'different', ...findingOf(counted, odd, usual) };
}

function countedOf({ kind, a, b, again }: ComparedPair): Counted | null {
  const [ofA, ofB] = [tokensOf(a), tokensOf(b)];
  return ofA === null || ofB === null ? null : { kind, a: ofA, b: ofB, again: again === null ? null : tokensOf(again) };
}

function tokensOf(ended: Ended): number | null {
  return ended.kind === 'answered' && ended.promptTokens !== null && ended.promptTokens > 0 ? ended.promptTokens : null;
}

function modeOf(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** The kinds of request whose differences are not the usual one, strays apart. */
function oddKinds(counted: readonly Counted[], usual: number): RequestKind[] {
  return [...new Set(counted.map(({ kind }) => kind))].filter((kind) => {
    const ofKind = counted.filter((one) => one.kind === kind);
    const odd = ofKind.filter(({ a, b }) => b - a !== usual).length;
    return odd >= LEAST_PAIRS && odd > ofKind.length * STRAYS;
  });
}

function constantOf(usual: number): Pick<PromptTokens, 'verdict' | 'sentence'> {
  if (usual === 0) return { verdict: 'same', sentence: null };
  const sentence = `B counts ${manyText(usual)} in each prompt`;
  return Math.abs(usual) <= PROMPT_OFFSET
    ? { verdict: 'advice', sentence: `${sentence}: so few may be the begin of a text that one side does not count` }
    : { verdict: 'different', sentence };
}

type Finding = Pick<PromptTokens, 'sentence' | 'sign'>;

function findingOf(counted: readonly Counted[], odd: readonly RequestKind[], usual: number): Finding {
  const others = counted.filter(({ a, b }) => b - a !== usual);
  const differences = others.map(({ a, b }) => b - a);
  const [least, most] = [Math.min(...differences), Math.max(...differences)];
  if (odd.every((kind) => kind === 'long') && others.every(({ a, b }) => b < a * CUT)) {
    const read = Math.max(...others.map(({ b }) => b));
    const fewer = `from ${Math.abs(most)} to ${Math.abs(least)} fewer than A`;
    return { sign: 'context', sentence: `B reads at most ${read} tokens of a prompt, ${fewer}` };
  }
  const ratios = counted.map(({ a, b }) => b / a);
  const middle = ratios.toSorted((one, other) => one - other)[ratios.length >> 1] ?? 1;
  if (Math.abs(middle - 1) > APART && ratios.every((ratio) => Math.abs(ratio / middle - 1) < APART)) {
    return { sign: 'tokenizer', sentence: `B counts ${middle.toFixed(2)} times as many tokens in each prompt` };
  }
  const where = odd.every((kind) => kind === 'tools') ? 'prompts with tools' : 'the same prompts';
  const isEverywhere = others.length > counted.length / 2;
  const [from, to] = isEverywhere ? [Math.min(usual, least), Math.max(usual, most)] : [least, most];
  const apart = from === to ? manyText(from) : `from ${signed(from)} to ${signed(to)} tokens`;
  const rest = isEverywhere ? '' : `, and ${usual === 0 ? 'as many' : signed(usual)} in others`;
  return { sign: 'promptTokens', sentence: `B counts ${apart} in ${where}${rest}` };
}

function manyText(difference: number): string {
  const many = Math.abs(difference);
  return `${many} token${many === 1 ? '' : 's'} ${difference > 0 ? 'more' : 'fewer'}`;
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
