import type { Agreement } from '../form/agreement.ts';
import { BASIC_METRICS, FORM_METRICS } from '../policy/judge.ts';
import type { FormMetric, JudgePolicy } from '../policy/judge.ts';
import type { Affinity } from '../route.ts';
import { AgreementMetric } from './agreement-metric.ts';
import { failOdds } from './error-rates.ts';
import { FormMetricJudge } from './form-metric.ts';
import { PARTS } from './form-scores.ts';
import { usualOf } from './form-usual.ts';
import { MetricJudge } from './metric-judge.ts';
import type { Reading } from './metric-judge.ts';
import type { Profile } from './profile.ts';
import { PromptTokens } from './prompt-tokens.ts';
import type { Scores } from './scores.ts';
import type { UnitScore } from './units.ts';
import type { JudgedCall, MetricVerdict } from './verdict.ts';

/** Everything that the judge compares, except what it needs to trust the comparison itself. */
export class JudgedMetrics {
  readonly #basic: readonly MetricJudge[];
  readonly #form: readonly FormMetricJudge[];
  readonly #promptTokens: PromptTokens | null;
  readonly #agreement: AgreementMetric | null;

  /** `steps`: the canary's weight at each step. `affinity`: what is assigned as a whole. */
  constructor(profile: Profile, policy: JudgePolicy, steps: readonly number[], affinity: Affinity) {
    const { metrics } = policy;
    const hasUnits = affinity !== 'call';
    const mayHave = (name: FormMetric) => PARTS[name].measures.some((one) => usualOf(profile, one).covered !== 0);
    const odds = failOdds(policy, steps.length, mayHave);
    this.#basic = BASIC_METRICS.flatMap((name) =>
      metrics[name].judge === 'off' ? [] : new MetricJudge(name, metrics[name], profile, odds[name], hasUnits),
    );
    const weight = steps[0] ?? 0.5;
    this.#form = FORM_METRICS.flatMap((name) => {
      const own = metrics[name];
      if (own === undefined || own.judge === 'off') return [];
      return new FormMetricJudge(name, own, profile, { failAt: odds[name], weight, affinity });
    });
    const { promptTokens, agreement } = metrics;
    this.#promptTokens =
      promptTokens === undefined || promptTokens.judge === 'off' ? null : new PromptTokens(promptTokens);
    this.#agreement =
      agreement === undefined || agreement.judge === 'off'
        ? null
        : new AgreementMetric(agreement, odds.agreement, profile.callsPerMinute);
  }

  /** Takes a call that was assigned by itself. */
  take(call: JudgedCall, scores: Scores): void {
    for (const metric of this.#basic) metric.take(call, scores[metric.name]);
    for (const metric of this.#form) metric.take(call, scores);
  }

  /** Takes a call of a unit, whose scores are taken once the unit is closed. `isFirst`: whether it has a coin of its own. */
  cover(call: JudgedCall, scores: Scores, isFirst: boolean): void {
    for (const metric of this.#basic) {
      metric.cover(call, scores[metric.name]);
      if (isFirst) metric.takeFirst(call, scores[metric.name]);
    }
    for (const metric of this.#form) {
      metric.cover(call, scores);
      if (isFirst) metric.takeFirst(call, scores);
    }
  }

  takeUnit(unit: UnitScore): void {
    const { role, weight, scores } = unit;
    for (const metric of this.#basic) metric.takeUnit(role, weight, scores[metric.name]);
    for (const metric of this.#form) metric.takeUnit(unit, scores);
  }

  /** Takes a pair of the shadow stage with the scores of both. */
  pair(
    calls: readonly [JudgedCall, JudgedCall],
    [before, after]: readonly [Scores, Scores],
    agreement: Agreement | null,
  ): void {
    for (const metric of this.#basic) metric.pair(before[metric.name], after[metric.name]);
    for (const metric of this.#form) metric.pair(before, after, calls[1].form);
    this.pairOfStep(calls, agreement);
  }

  /** Takes what only a pair can show. */
  pairOfStep(calls: readonly [JudgedCall, JudgedCall], agreement: Agreement | null): void {
    this.#promptTokens?.pair(...calls);
    this.#agreement?.pair(agreement, calls[0].arrivedAtUs);
  }

  beginStep(): void {
    for (const metric of [...this.#basic, ...this.#form]) metric.beginStep();
  }

  endMinute(minute: number, isUsual: boolean): void {
    for (const metric of [...this.#basic, ...this.#form]) metric.endMinute(minute, isUsual);
  }

  /** The verdict on each metric that the route has. */
  read(reading: Reading): MetricVerdict[] {
    const found = [
      ...this.#basic.map((metric) => metric.read(reading)),
      ...this.#form.map((metric) => metric.read(reading)),
      this.#promptTokens?.read(reading.passAt) ?? null,
      this.#agreement?.read(reading) ?? null,
    ];
    return found.filter((verdict) => verdict !== null);
  }
}
