import type { JudgedMetric } from '../policy/judge.ts';
import { excessOdds } from '../stats/excess.ts';
import { UNHEALTHY_AT } from './error-rates.ts';
import { MOST_ODDS } from './metric-judge.ts';
import { AgentCounts, OfGroup } from './prompt-counts.ts';
import type { JudgedCall, MetricVerdict } from './verdict.ts';

/** So many pairs may be odd without a reason to hold: beyond the margin, and different from most others. */
const FAR_SHARE = 0.005;
const ODD_SHARE = 0.05;

/** A pass shows that fewer pairs than this are odd. */
const MOST_ODD_SHARE = 0.2;

/** So many groups are told apart. What comes beyond is one group. */
const MOST_GROUPS = 32;
const REST = 'rest';

interface Found {
  /** Pairs with the usual difference of their group. */
  readonly same: number;
  /** The usual difference of the largest group. */
  readonly usual: number;
  readonly failOdds: number;
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
 * The pairs of one agent are often alike: one conversation holds the same image in each prompt. So of the odd pairs of an agent
 * the first counts, and then one of each ten (`prompt-counts.ts`). Pairs that are not odd always count.
 *
 * Each is tested at odds of 2,000 : 1, so that both together are wrong in one of 1,000 rollouts at most, if a pair that
 * counts is odd independently of the pairs before. What was left out would only have raised the odds, so that this holds at
 * every moment. For the second, the odds are at most those against every assumption of constant differences. The odds are
 * those of now: many equal pairs that follow take a difference of the beginning back. If all differ by the same large number, two
 * agents are enough; if no two pairs differ alike, five are.
 */
export class PromptTokens {
  readonly #policy: JudgedMetric;
  readonly #groups = new Map<string, OfGroup>();
  readonly #far = new AgentCounts();
  #pairs = 0;
  #sums = { stable: 0, canary: 0 };
  #range = { low: 0, high: 0 };
  #farPairs = 0;
  /** What the pairs so far come to; null until it is asked for. */
  #found: Found | null = null;

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
    const { agent } = stable;
    if (Math.abs(difference) > this.#policy.margin) {
      this.#farPairs++;
      this.#far.add(agent);
    }
    this.#groupOf(stable).add(agent, difference);
    this.#found = null;
  }

  #groupOf({ provider, form, asks }: JudgedCall): OfGroup {
    const hasTools = asks?.tools ?? form?.tools != null;
    const name = `${provider ?? ''} ${hasTools ? 'tools' : 'plain'}`;
    const known = this.#groups.has(name) || this.#groups.size < MOST_GROUPS ? name : REST;
    const group = this.#groups.get(known) ?? new OfGroup();
    this.#groups.set(known, group);
    return group;
  }

  #find(): Found {
    const groups = [...this.#groups.values()].map((group) => group.read());
    const same = groups.reduce((sum, group) => sum + group.same, 0);
    const odd = groups.reduce((sum, group) => sum + group.odd, 0);
    const far = excessOdds(this.#far.counted, this.#pairs - this.#farPairs, FAR_SHARE);
    const [largest] = groups.toSorted((a, b) => b.same - a.same);
    return { same, usual: largest?.usual ?? 0, failOdds: Math.max(1, far, excessOdds(odd, same, ODD_SHARE)) };
  }

  /** The verdict; null if no pair has both counts. `fail`: it holds the rollout before its first step. */
  read(passAt: number): MetricVerdict | null {
    if (this.#pairs === 0) return null;
    const { same, usual, failOdds } = (this.#found ??= this.#find());
    const odd = Math.max(this.#farPairs, this.#pairs - same);
    // The first pair of a group says nothing about the others.
    const alike = Math.max(0, this.#pairs - odd - this.#groups.size);
    const passOdds = ((1 - FAR_SHARE) / (1 - MOST_ODD_SHARE)) ** alike * (FAR_SHARE / MOST_ODD_SHARE) ** odd;
    const isFail = failOdds >= UNHEALTHY_AT;
    return {
      metric: 'promptTokens',
      judge: this.#policy.judge === 'act' ? 'act' : 'advise',
      status: isFail ? 'fail' : passOdds >= passAt ? 'pass' : 'open',
      pairs: { of: this.#pairs, same },
      stable: this.#sums.stable / this.#pairs,
      canary: this.#sums.canary / this.#pairs,
      effect: usual,
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
}
