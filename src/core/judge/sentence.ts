import { isShare } from '../policy/judge.ts';
import type { BasicMetric, MetricName } from '../policy/judge.ts';
import { upstreamOf } from '../route.ts';
import type { Toward } from '../route.ts';
import { agreementSentence, fewText, formSubject, isFormMetric, isTwoSided, promptSentence } from './form-sentence.ts';
import { sideName } from './side-name.ts';
import type { MetricVerdict, Verdict } from './verdict.ts';

const NAMES: Readonly<Record<Exclude<BasicMetric, 'speed'>, string>> = {
  faults: 'faults',
  firstToken: 'first token',
  perToken: 'time per token',
  tail: 'slow calls',
  length: 'answers',
  empty: 'empty answers',
};

/** The subject of a metric's sentence; for speed it is the canary itself. */
function subjectOf({ metric, part }: MetricVerdict, toward: Toward): string {
  if (metric === 'speed') return toward === 'dedicated' ? 'endpoint' : 'serverless';
  if (isFormMetric(metric)) return formSubject({ metric, ...(part !== undefined && { part }) });
  return metric === 'promptTokens' || metric === 'agreement' ? metric : NAMES[metric];
}

/** One sentence on one metric of the canary, figures first. `toward`: the canary's kind. */
export function sentence(metric: MetricVerdict, toward: Toward): string {
  if (metric.metric === 'promptTokens') return promptSentence(metric, toward);
  if (metric.metric === 'agreement') return `${agreementSentence(metric)}; ${evidence(metric)}`;
  const name = subjectOf(metric, toward);
  const comparison = isShare(metric.metric) ? shareSentence(metric, name) : sizeSentence(metric, name);
  return `${comparison}; ${metric.few === undefined ? evidence(metric) : fewText(metric)}`;
}

interface Range {
  readonly low: number;
  readonly high: number;
}

function sizeSentence(
  { metric, status, stable, canary, effect, low, high, margin }: MetricVerdict,
  name: string,
): string {
  const limit = metric === 'length' ? `limit ${percent(margin)} longer or shorter` : `limit ${ratio(metric, margin)}`;
  if (effect === null || low === null || high === null) return `${name}: no comparison yet; ${limit}`;
  // A canary may fail in this step after it was good in the steps before.
  const now = stable === null || canary === null ? effect : canary / stable - 1;
  const isNew = status === 'fail' && (now < low || now > high);
  const range = isTold({ status, low, high, margin }) ? ` (${ratio(metric, low)} to ${ratio(metric, high)})` : '';
  const all = `${ratio(metric, effect)}${isNew ? ' in the whole rollout' : ''}${range}`;
  return `${name} ${isNew ? `${ratio(metric, now)} in this step, ` : ''}${all}; ${limit}`;
}

/**
 * Whether the range of a difference is told. A figure fails by bets on single calls, which notice a difference long before the
 * minutes do from which the range comes. Then a range that reaches to the limit would seem to contradict the evidence.
 */
function isTold({ status, low, high, margin }: Pick<MetricVerdict, 'status' | 'margin'> & Range): boolean {
  return status !== 'fail' || low > margin || high < -margin;
}

function shareSentence(
  { metric, status, stable, canary, effect, low, high, margin }: MetricVerdict,
  name: string,
): string {
  const limit = isTwoSided(metric) ? `limit ${points(margin)} more or fewer` : `limit +${points(margin)}`;
  const isKnown = effect !== null && low !== null && high !== null && high - low < 1;
  const span = isKnown && isTold({ status, low, high, margin }) ? `, ${signed(low)} to ${signed(high)}` : '';
  const range = isKnown ? `${signed(effect)}${span}` : null;
  // At the beginning of a step there is only the data of the steps before.
  if (canary === null || stable === null) {
    return `${name}: ${range === null ? 'no comparison yet' : `difference ${range}`}; ${limit}`;
  }
  const now = `${name} ${share(canary)} against ${share(stable)}`;
  if (range === null) return `${now}; ${limit}`;
  const isNew = status === 'fail' && isKnown && (canary - stable < low || canary - stable > high);
  return `${now}${isNew ? ' in this step (difference in the whole rollout' : ' (difference'} ${range}); ${limit}`;
}

/** The odds that matter: against the canary if it failed, else those that are furthest from what a pass needs. */
function evidence({ status, passOdds, passAt, stepOdds, stepAt, failOdds, failAt }: MetricVerdict): string {
  if (status === 'fail') return `evidence against it ${odds(failOdds)} (limit ${odds(failAt)})`;
  const isStep = stepOdds / stepAt < passOdds / passAt;
  if (status === 'pass') return `evidence ${odds(isStep ? stepOdds : passOdds)}`;
  return isStep
    ? `evidence ${odds(stepOdds)} of ${odds(stepAt)} in this step`
    : `evidence ${odds(passOdds)} of ${odds(passAt)}`;
}

/** The sentence of the metric that decided the verdict, or of the one that is furthest from a pass. */
export function summarize(verdict: Omit<Verdict, 'summary' | 'taken'>, toward: Toward): string {
  const { status, cause, metrics, stableCalls, canaryCalls } = verdict;
  const [stable, canary] = [sideName(upstreamOf('stable', toward)), sideName(toward)];
  const calls = `${canaryCalls} calls on ${canary}, ${stableCalls} on ${stable}`;
  if (status === 'no data') return `no call on ${canary} has been judged in this step`;
  if (cause === 'split') return `${calls}: the split does not match the weights`;
  if (cause === 'rejections') return `${calls}: the two do not reject requests equally often`;
  const acting = metrics.filter(({ judge }) => judge === 'act');
  const holding = acting.filter(({ few, pairs }) => few === undefined && pairs === undefined);
  const deciding = metrics.find(({ metric }) => metric === cause) ?? weakest(holding) ?? metrics[0];
  const untold = acting.filter(({ few, metric }) => few !== undefined && metric !== cause).map(fewText);
  return [deciding === undefined ? calls : sentence(deciding, toward), ...new Set(untold)].join('; ');
}

function weakest(metrics: readonly MetricVerdict[]): MetricVerdict | undefined {
  const strength = (one: MetricVerdict) => Math.min(one.passOdds / one.passAt, one.stepOdds / one.stepAt);
  return metrics.toSorted((a, b) => strength(a) - strength(b))[0];
}

const WORDS: Readonly<Record<string, readonly [string, string, string]>> = {
  length: ['longer', 'shorter', 'equally long'],
};

function ratio(metric: MetricName, value: number): string {
  const [more, less, same] = WORDS[metric] ?? ['slower', 'faster', 'equally fast'];
  const size = percent(Math.abs(value));
  return size === '0 %' ? same : `${size} ${value > 0 ? more : less}`;
}

function percent(value: number): string {
  return `${(value * 100).toFixed(value >= 0.0995 ? 0 : 1).replace(/\.0$/, '')} %`;
}

function share(value: number): string {
  return `${(value * 100).toFixed(2)} %`;
}

function points(value: number): string {
  return `${(value * 100).toFixed(2)} points`;
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${points(Math.abs(value))}`;
}

/** Odds to two significant digits, in groups of three: `2 400 : 1`. */
function odds(value: number): string {
  if (value >= 1e9) return 'over 1 000 000 000 : 1';
  if (value < 10) return `${Number(value.toFixed(value < 0.1 ? 2 : 1))} : 1`;
  return `${String(Number(value.toPrecision(2))).replace(/\B(?=(\d{3})+$)/g, ' ')} : 1`;
}

const LABELS: Readonly<Record<MetricName, string>> = {
  faults: 'faults',
  speed: 'speed',
  firstToken: 'first token',
  perToken: 'per token',
  tail: 'slow calls',
  length: 'length',
  empty: 'empty',
  tools: 'tool calls',
  format: 'JSON',
  finish: 'endings',
  leak: 'leaks',
  reasoning: 'reasoning',
  promptTokens: 'prompts',
  agreement: 'agreement',
};

/** A metric's name for people. */
export function metricName(metric: MetricName): string {
  return LABELS[metric];
}
