import type { JudgedMetric } from '../policy/judge.ts';
import { ExcessBet, excessOdds } from '../stats/excess.ts';
import { UNHEALTHY_AT } from './error-rates.ts';
import { MOST_ODDS } from './metric-judge.ts';
import type { JudgedCall, MetricVerdict } from './verdict.ts';

/** So many pairs may be odd without a reason to hold: beyond the margin, and different from most others. */
const FAR_SHARE = 0.005;
const ODD_SHARE = 0.05;

/** A pass shows that fewer pairs than this are odd. */
const MOST_ODD_SHARE = 0.2;

/** So many groups, and so many differences in each, are told apart. What comes beyond counts as odd. */
const MOST_GROUPS = 32;
const MOST_DIFFERENCES = 64;

/** The pairs of one provider, with tools or without: how often each difference of tokens was seen. */
interface Group {
  readonly counts: Map<number, number>;
  /** The difference that most pairs have. */
  usual: number;
}

/**
 * Compares the prompt tokens that both sides count for the same request. Another chat template, system prompt or tokenizer, or a
 * prompt that is cut, changes them. Two providers may count the first token or tools differently, which adds the same number
 * to each prompt. So what counts against the endpoint is
 *
 * - a difference beyond the margin in more than 0.5 % of the pairs, or
 * - a difference that is not the one that most pairs have, in more than 5 % of the pairs. Each provider, with tools and without,
 *   may have a difference of its own.
 *
 * Each is tested at odds of 2,000 : 1 that hold at every moment, so that both together are wrong in one of 1,000 rollouts at
 * most, if the tokens of a pair are odd independently of the pairs before. For the second, the odds against every
 * assumption of constant differences are needed; the difference that most pairs have gives the least. If no two pairs differ
 * alike, five pairs are enough; if all differ by the same large number, two are.
 */
export class PromptTokens {
  readonly #policy: JudgedMetric;
  readonly #groups = new Map<string, Group>();
  readonly #far = new ExcessBet();
  #variedPeak = 1;
  #pairs = 0;
  /** Pairs whose difference is the usual one of their group. */
  #same = 0;
  #sums = { stable: 0, canary: 0 };
  #range = { low: 0, high: 0 };
  #farPairs = 0;

  constructor(policy: JudgedMetric) {
    this.#policy = policy;
  }

  pair(stable: JudgedCall, canary: JudgedCall): void {
    const [before, after] = [stable.promptTokens ?? 0, canary.promptTokens ?? 0];
    // No prompt has no tokens: such a count was not reported.
    if (before <= 0 || after <= 0) return;
    const difference = after - before;
    const isFirst = this.#pairs === 0;
    this.#pairs++;
    this.#sums.stable += before;
    this.#sums.canary += after;
    this.#range = {
      low: isFirst ? difference : Math.min(this.#range.low, difference),
      high: isFirst ? difference : Math.max(this.#range.high, difference),
    };
    const isFar = Math.abs(difference) > this.#policy.margin;
    if (isFar) this.#farPairs++;
    this.#far.take(isFar, FAR_SHARE);
    this.#count(`${stable.provider ?? ''} ${stable.form?.tools == null ? 'plain' : 'tools'}`, difference);
    this.#variedPeak = Math.max(this.#variedPeak, excessOdds(this.#pairs - this.#same, this.#same, ODD_SHARE));
  }

  /** Counts a difference in its group, and how many pairs have the usual difference of theirs. */
  #count(name: string, difference: number): void {
    const group = this.#groups.get(name) ?? { counts: new Map<number, number>(), usual: difference };
    const isNew = !this.#groups.has(name);
    if (isNew && this.#groups.size >= MOST_GROUPS) return;
    if (isNew) this.#groups.set(name, group);
    const { counts } = group;
    const most = counts.get(group.usual) ?? 0;
    const count = (counts.get(difference) ?? 0) + 1;
    if (count === 1 && counts.size >= MOST_DIFFERENCES) return;
    counts.set(difference, count);
    if (count <= most) return;
    group.usual = difference;
    this.#same++;
  }

  /** The verdict; null if no pair has both counts. `fail`: it holds the rollout before its first step. */
  read(passAt: number): MetricVerdict | null {
    if (this.#pairs === 0) return null;
    const failOdds = Math.max(this.#far.peak, this.#variedPeak);
    const odd = Math.max(this.#farPairs, this.#pairs - this.#same);
    // The first pair of a group says nothing about the others.
    const alike = Math.max(0, this.#pairs - odd - this.#groups.size);
    const passOdds = ((1 - FAR_SHARE) / (1 - MOST_ODD_SHARE)) ** alike * (FAR_SHARE / MOST_ODD_SHARE) ** odd;
    const isFail = failOdds >= UNHEALTHY_AT;
    return {
      metric: 'promptTokens',
      judge: this.#policy.judge === 'act' ? 'act' : 'advise',
      status: isFail ? 'fail' : passOdds >= passAt ? 'pass' : 'open',
      pairs: { of: this.#pairs, same: this.#same },
      stable: this.#sums.stable / this.#pairs,
      canary: this.#sums.canary / this.#pairs,
      effect: this.#usual(),
      ...this.#range,
      margin: this.#policy.margin,
      passOdds: Math.min(MOST_ODDS, passOdds),
      passAt,
      stepOdds: 1,
      stepAt: 1,
      failOdds: Math.min(MOST_ODDS, failOdds),
      failAt: UNHEALTHY_AT,
    };
  }

  /** The usual difference of the largest group. */
  #usual(): number {
    const most = ({ counts, usual }: Group) => counts.get(usual) ?? 0;
    const [largest] = [...this.#groups.values()].toSorted((a, b) => most(b) - most(a));
    return largest?.usual ?? 0;
  }
}
