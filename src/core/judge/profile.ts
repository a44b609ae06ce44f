import { isDecided, isFault } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { AnswerForm } from '../form/form.ts';
import type { BasicMetric } from '../policy/judge.ts';
import type { UpstreamKind } from '../route.ts';
import type { Drift } from '../stats/level.ts';
import { MINUTE_US } from '../time.ts';
import { fitLatency, predict } from './latency-model.ts';
import type { LatencyModel } from './latency-model.ts';
import { learnForm } from './form-usual.ts';
import type { UsualForm } from './form-usual.ts';
import { learnDrift } from './level-drift.ts';

/** A past call on the upstream that will be stable. Times in clock µs. */
export interface HistoryCall {
  readonly arrivedAtUs: number;
  readonly durationUs: number;
  readonly outcome: Outcome;
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
  readonly isEmpty: boolean | null;
  /** The form of its answer; null or absent if it is not known. */
  readonly form?: AnswerForm | null;
}

/**
 * What the stable upstream is like. It is learned before a rollout, does not change during it, and is plain JSON. If
 * there is too little history its values are cautious: the judge is then slower, but not wrong more often.
 */
export interface Profile {
  readonly calls: number;
  readonly spanMs: number;
  readonly callsPerMinute: number;
  readonly latency: LatencyModel;
  /** Time to the first token; `perOutputTokenUs` is 0. */
  readonly firstToken: LatencyModel;
  /** From one output token to the next, µs. */
  readonly perTokenUs: number;
  /** Median counts of tokens; 0 if calls report none. */
  readonly typical: { readonly promptTokens: number; readonly outputTokens: number };
  /** A call is slow beyond this many times its predicted latency. */
  readonly slowRatio: number;
  /** A call that still runs at this age, µs, counts as too slow, whatever happens later. */
  readonly tauUs: number;
  /** Shares 0..1. */
  readonly shares: { readonly faults: number; readonly tail: number; readonly empty: number };
  /** Standard deviation of a call's log score around its prediction. */
  readonly spread: Readonly<Record<Size, number>>;
  /** How each size's level wanders from minute to minute (in logarithms). */
  readonly drift: Readonly<Record<Size, Drift>>;
  /** Share of answered calls that have a metric at all, 0..1. */
  readonly covered: Readonly<Record<BasicMetric, number>>;
  /**
   * The form of answers: the usual share 0..1 of each measure, and the share of answers that have it. Absent if the form of
   * too few was known.
   */
  readonly form?: UsualForm;
}

/** Metrics that are sizes, not shares. */
export const SIZES = ['speed', 'firstToken', 'perToken', 'length'] as const satisfies readonly BasicMetric[];
export type Size = (typeof SIZES)[number];

/** With fewer answered calls than this every metric is expected. */
const ENOUGH = 50;
/** A longer history is thinned out evenly. */
const MOST = 40_000;
/** The first guess of a share has the weight of this many calls. */
const PRIOR_CALLS = 100;
const PRIOR_SHARE = 0.005;

/** A call with fewer output tokens has no time per token. */
const FEW_TOKENS = 4;

const SLOW_LEAST = 2.5;
/**
 * The slow ratio is widened by this many standard deviations of two drifting levels, because a drift is no slow call.
 */
const SWAYS = 2;
const SLOW_MOST = 10;
const TAU_LEAST_US = 30e6;
const TAU_MOST_US = 600e6;

/** Learns the profile of an upstream from its past calls, in any order. Works with few calls or none. */
export function learnProfile(history: readonly HistoryCall[], upstream: UpstreamKind): Profile {
  const toward = upstream === 'serverless' ? 'dedicated' : 'serverless';
  const calls = history.toSorted((a, b) => a.arrivedAtUs - b.arrivedAtUs);
  const spanUs = (calls.at(-1)?.arrivedAtUs ?? 0) - (calls[0]?.arrivedAtUs ?? 0);
  const decided = calls.filter((call) => isDecided(call.outcome, upstream, toward));
  const answered = thin(decided.filter((call) => call.outcome === 'ok' && call.durationUs > 0));
  const base = {
    calls: calls.length,
    spanMs: Math.round(spanUs / 1000),
    callsPerMinute: spanUs > 0 ? (calls.length * MINUTE_US) / spanUs : 0,
  };
  const faults = share(decided.filter((call) => isFault(call.outcome, upstream, toward)).length, decided.length);
  const form = learnForm(answered);
  return { ...base, ...learnAnswers(answered, faults), ...(form !== undefined && { form }) };
}

function learnAnswers(
  calls: readonly HistoryCall[],
  faults: number,
): Omit<Profile, 'calls' | 'spanMs' | 'callsPerMinute' | 'form'> {
  const typical = {
    promptTokens: Math.round(median(calls.flatMap((call) => call.promptTokens ?? [])) ?? 0),
    outputTokens: Math.round(median(calls.flatMap((call) => call.outputTokens ?? [])) ?? 0),
  };
  const usual = (call: HistoryCall) => ({
    promptTokens: call.promptTokens ?? typical.promptTokens,
    outputTokens: call.outputTokens ?? typical.outputTokens,
  });
  const latency = fitLatency(calls.map((call) => ({ ...usual(call), us: call.durationUs })));
  const begun = calls.filter((call) => call.firstTokenUs !== null && call.firstTokenUs > 0);
  const firstToken = fitLatency(
    begun.map((call) => ({ promptTokens: usual(call).promptTokens, outputTokens: 0, us: call.firstTokenUs as number })),
  );
  const paces = calls.flatMap((call) => pace(call) ?? []);
  const perTokenUs = Math.exp(mean(paces.map(Math.log)) ?? Math.log(20_000));
  const model = { latency, firstToken, perTokenUs, typical };
  const scores = Object.fromEntries(
    SIZES.map((size) => [
      size,
      calls.flatMap((call) => {
        const z = logScore(size, call, model);
        return z === null ? [] : { arrivedAtUs: call.arrivedAtUs, z };
      }),
    ]),
  ) as Record<Size, { arrivedAtUs: number; z: number }[]>;
  const ratios = scores.speed.map(({ z }) => Math.exp(z)).toSorted((a, b) => a - b);
  const durations = calls.map((call) => call.durationUs).toSorted((a, b) => a - b);
  const late = Math.max(2 * (quantile(durations, 0.95) ?? 0), 1.5 * (quantile(durations, 0.995) ?? 0));
  const learned = SIZES.map((size) => [size, learnDrift(scores[size], size === 'length' ? 1 : 0.5)] as const);
  const sway = Math.exp(SWAYS * Math.SQRT2 * (learned.find(([size]) => size === 'speed')?.[1].drift.sigma ?? 0));
  const slowRatio = clamp(Math.max(SLOW_LEAST, quantile(ratios, 0.995) ?? 0) * sway, SLOW_LEAST, SLOW_MOST);
  return {
    ...model,
    slowRatio,
    tauUs: Math.round(clamp(late, TAU_LEAST_US, TAU_MOST_US)),
    shares: {
      faults,
      tail: share(ratios.filter((ratio) => ratio > slowRatio).length, ratios.length),
      empty: share(calls.filter((call) => emptiness(call) === 1).length, calls.length),
    },
    spread: Object.fromEntries(learned.map(([size, { spread }]) => [size, spread])) as Record<Size, number>,
    drift: Object.fromEntries(learned.map(([size, { drift }]) => [size, drift])) as Record<Size, Drift>,
    covered: coverage(calls, scores),
  };
}

function coverage(
  calls: readonly HistoryCall[],
  scores: Readonly<Record<Size, readonly unknown[]>>,
): Record<BasicMetric, number> {
  // With too little history every metric is expected, so that a step needs evidence on it.
  const part = (count: number) => (calls.length < ENOUGH ? 1 : count / calls.length);
  return {
    faults: 1,
    speed: 1,
    tail: 1,
    firstToken: part(scores.firstToken.length),
    perToken: part(scores.perToken.length),
    length: part(scores.length.length),
    empty: part(calls.filter((call) => emptiness(call) !== null).length),
  };
}

/**
 * Whether an answer was empty: 1 or 0; null if that is not known. Where the answer could not be read, tokens tell.
 */
export function emptiness({ isEmpty, outputTokens }: Pick<HistoryCall, 'isEmpty' | 'outputTokens'>): number | null {
  if (isEmpty !== null) return Number(isEmpty);
  return outputTokens === null ? null : Number(outputTokens === 0);
}

type Timed = Pick<HistoryCall, 'durationUs' | 'firstTokenUs' | 'promptTokens' | 'outputTokens'>;

/**
 * The logarithm of an answered call's size over the size predicted for its tokens: 0.1 is about 10 % more. Null if the
 * call does not have it.
 */
export function logScore(
  size: Size,
  call: Timed,
  profile: Pick<Profile, 'latency' | 'firstToken' | 'perTokenUs' | 'typical'>,
): number | null {
  const { typical } = profile;
  const prompt = call.promptTokens ?? typical.promptTokens;
  switch (size) {
    case 'speed':
      return Math.log(
        Math.max(1, call.durationUs) / predict(profile.latency, prompt, call.outputTokens ?? typical.outputTokens),
      );
    case 'firstToken':
      return call.firstTokenUs === null
        ? null
        : Math.log(Math.max(1, call.firstTokenUs) / predict(profile.firstToken, prompt, 0));
    case 'perToken': {
      const us = pace(call);
      return us === null ? null : Math.log(us / profile.perTokenUs);
    }
    case 'length':
      return call.outputTokens === null || call.outputTokens === 0
        ? null
        : Math.log(call.outputTokens / Math.max(1, typical.outputTokens));
  }
}

function pace({ durationUs, firstTokenUs, outputTokens }: Timed): number | null {
  if (firstTokenUs === null || outputTokens === null || outputTokens < FEW_TOKENS) return null;
  const us = (durationUs - firstTokenUs) / (outputTokens - 1);
  return us > 0 ? us : null;
}

function share(count: number, of: number): number {
  return (count + PRIOR_CALLS * PRIOR_SHARE) / (of + PRIOR_CALLS);
}

function thin<T>(all: readonly T[]): readonly T[] {
  const nth = Math.ceil(all.length / MOST);
  return nth <= 1 ? all : all.filter((_, i) => i % nth === 0);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
}

function median(values: readonly number[]): number | null {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
