import { shareRange, signTest } from '../stats/binomial.ts';

/** Of so many pairs, how many have a property on one side only, and on both. */
export interface PairCounts {
  readonly pairs: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly both: number;
}

/** The shares of both sides and their difference, B less A. Shares 0..1, differences -1..1. */
export interface ShareDifference {
  readonly a: number;
  readonly b: number;
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** The chance of pairs at least so one-sided if neither side has the property more often (sign test). */
  readonly chance: number;
}

/**
 * Each end of the range of a difference is wrong with at most this chance. Most of it goes to the share that is at most so
 * large, because what the other one is at least is hardly above 0 if few pairs differ.
 */
const RANGE_ERROR = 0.025;
const OF_THE_MOST = 0.9;

/**
 * The difference of two shares on the same requests. The range is exact, because it is made of exact ranges of the two
 * shares of pairs that differ; it is wider than need be rather than narrower.
 */
export function shareDifference({ pairs, onlyA, onlyB, both }: PairCounts): ShareDifference {
  const most = (count: number) => shareRange(count, pairs, RANGE_ERROR * OF_THE_MOST).high;
  const least = (count: number) => shareRange(count, pairs, RANGE_ERROR * (1 - OF_THE_MOST)).low;
  const of = (count: number) => (pairs === 0 ? 0 : count / pairs);
  return {
    a: of(both + onlyA),
    b: of(both + onlyB),
    difference: of(onlyB - onlyA),
    low: least(onlyB) - most(onlyA),
    high: most(onlyB) - least(onlyA),
    chance: signTest(onlyA, onlyB),
  };
}

/** When shares count as the same, and as different. */
export interface ShareRule {
  /** Same: the whole range is within this on both sides of 0. */
  readonly margin: number;
  /** Different: `chance` is at most this, and the difference is no trifle. */
  readonly error: number;
}

/** A smaller difference is a trifle, however certain. */
const TRIFLE = 0.01;

export type Verdict = 'same' | 'different' | 'open';

/** What a difference says under a rule. */
export function verdictOn({ chance, difference, low, high }: ShareDifference, { margin, error }: ShareRule): Verdict {
  if (chance <= error && Math.abs(difference) >= TRIFLE) return 'different';
  return low >= -margin && high <= margin ? 'same' : 'open';
}

const MOST_PAIRS = 200_000;
const GROWTH = 1.1;

/** How many pairs would decide if pairs go on to differ as often as they have. Null: more than 200,000. */
export function pairsNeeded(counts: PairCounts, rule: ShareRule): number | null {
  for (let pairs = Math.max(10, counts.pairs); pairs <= MOST_PAIRS; pairs = Math.ceil(pairs * GROWTH)) {
    const grown = (count: number) => (counts.pairs === 0 ? 0 : Math.round((count * pairs) / counts.pairs));
    const more = { pairs, onlyA: grown(counts.onlyA), onlyB: grown(counts.onlyB), both: grown(counts.both) };
    if (verdictOn(shareDifference(more), rule) !== 'open') return pairs;
  }
  return null;
}
