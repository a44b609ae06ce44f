import { FORM_METRICS } from '../policy/judge.ts';
import type { FormMetric, MetricName } from '../policy/judge.ts';
import type { Toward } from '../route.ts';
import type { FormSign } from '../serving/form-hint.ts';
import { PARTS } from './form-scores.ts';
import type { Measure } from './form-scores.ts';
import { sideName } from './side-name.ts';
import type { Few, MetricVerdict } from './verdict.ts';

/** How each measure reads: its subject, and which calls have it. */
const WORDS: Readonly<Record<Measure, readonly [subject: string, have: string]>> = {
  tools: ['broken tool calls', 'asked for tools'],
  format: ['broken JSON', 'demanded JSON'],
  calls: ['answers that call a tool', 'asked for tools'],
  cut: ['answers cut for their length', 'were answered'],
  leak: ['template tokens in answers', 'were answered'],
  reasoning: ['answers with reasoning', 'were answered'],
};

/** Whether a metric is one of the form of answers. */
export function isFormMetric(metric: MetricName): metric is FormMetric {
  return (FORM_METRICS as readonly MetricName[]).includes(metric);
}

/** The subject of the sentence on a metric of form. */
export function formSubject({ metric, part }: Pick<MetricVerdict, 'part'> & { readonly metric: FormMetric }): string {
  return WORDS[measureOf(metric, part)][0];
}

function measureOf(metric: FormMetric, part: Measure | undefined): Measure {
  return part ?? (PARTS[metric].measures[0] as Measure);
}

/** Whether less of it counts against the endpoint as well as more. */
export function isTwoSided(metric: MetricName): boolean {
  return isFormMetric(metric) && PARTS[metric].isTwoSided;
}

/**
 * Of what a metric's difference is a sign, so that its likeliest cause can be named; null if the metric is none of the answers
 * themselves.
 */
export function signOf({ metric, part, fault }: Pick<MetricVerdict, 'metric' | 'part' | 'fault'>): FormSign | null {
  if (metric === 'promptTokens' || metric === 'agreement') return metric;
  if (!isFormMetric(metric)) return null;
  if (fault !== undefined) return fault;
  const measure = measureOf(metric, part);
  return measure === 'cut' ? 'length' : measure;
}

/**
 * How many calls, or units, had a metric of form, and how many it takes to tell: `12 calls asked for tools, about 900 are needed to
 * tell`.
 */
export function fewText({ metric, part, few }: Pick<MetricVerdict, 'metric' | 'part' | 'few'>): string {
  if (few === undefined || !isFormMetric(metric)) return '';
  const needed = String(Number(few.needed.toPrecision(2)));
  return `${seenText(few)} ${WORDS[measureOf(metric, part)][1]}, about ${needed} are needed to tell`;
}

function seenText({ seen, units, pairs = 0 }: Few): string {
  if (units === undefined) return counted(seen, 'call');
  const ofUnits = counted(seen - pairs, units === 'agent' ? 'agent' : 'conversation');
  return pairs === 0 ? ofUnits : `${ofUnits} and ${counted(pairs, 'copied call')}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The sentence on prompt tokens: `the endpoint counts 3 tokens more in each prompt, in 40 of 40 pairs`. */
export function promptSentence({ status, effect, low, high, margin, pairs }: MetricVerdict, toward: Toward): string {
  const { of, same } = pairs ?? { of: 0, same: 0 };
  const usual = effect ?? 0;
  const side = sideName(toward);
  if (status !== 'fail') {
    const what = usual === 0 ? 'the same number of tokens in' : `${tokens(usual)} in each of`;
    return `${side} counts ${what} ${same} of ${of} prompts; limit ${margin} tokens`;
  }
  if (low === high) return `${side} counts ${tokens(usual)} in each of ${of} prompts; limit ${margin} tokens`;
  const range = `${signed(low ?? 0)} to ${signed(high ?? 0)}`;
  return `${side} counts the tokens of ${of} prompts differently, by ${range}, ${same} of them by the same number; limit ${margin} tokens`;
}

/** The sentence on agreement: `answers agree in 93 % of 120 pairs`. */
export function agreementSentence({ canary, margin, pairs }: MetricVerdict): string {
  const share = ((1 - (canary ?? 0)) * 100).toFixed(1).replace(/\.0$/, '');
  return `answers that should be the same agree in ${share} % of ${pairs?.of ?? 0} pairs; limit ${Math.round((1 - margin) * 1000) / 10} %`;
}

function tokens(difference: number): string {
  const count = Math.abs(difference);
  return `${count} ${count === 1 ? 'token' : 'tokens'} ${difference > 0 ? 'more' : 'fewer'}`;
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
