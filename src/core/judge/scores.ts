import { isDecided, isFault } from '../outcome.ts';
import { BASIC_METRICS } from '../policy/judge.ts';
import type { BasicMetric } from '../policy/judge.ts';
import { upstreamOf } from '../route.ts';
import type { Toward, UpstreamKind } from '../route.ts';
import { MEASURES, scoreForm, UNKNOWN_FORM } from './form-scores.ts';
import type { FormScores, Measure } from './form-scores.ts';
import { predict } from './latency-model.ts';
import { emptiness, logScore } from './profile.ts';
import type { Profile } from './profile.ts';
import type { JudgedCall } from './verdict.ts';

/** A call that has not failed by this age, µs, is no early fault. */
export const EARLY_US = 2e6;

/** The score of a call that failed or did not end in time: worse than any time. */
const WORST = Number.POSITIVE_INFINITY;

/**
 * One call's score on each metric, and on each measure of form: 0 or 1 for shares, a logarithm for sizes; null if it has none.
 */
export type Scores = Readonly<Record<BasicMetric, number | null>> & FormScores;

/** The keys of scores. */
export const SCORED: readonly (BasicMetric | Measure)[] = [...BASIC_METRICS, ...MEASURES];

/** Scores of sizes are limited to this where means are formed (in logarithms), because outliers say nothing about the level. */
const CLIP = 1;
const LENGTH_CLIP = 2;

/** A score as it counts in a mean. */
export function clipped(metric: BasicMetric | Measure, score: number): number {
  const clip = metric === 'length' ? LENGTH_CLIP : CLIP;
  return Math.max(-clip, Math.min(clip, score));
}

const NOTHING: Scores = {
  faults: null,
  speed: null,
  firstToken: null,
  perToken: null,
  tail: null,
  length: null,
  empty: null,
  ...UNKNOWN_FORM,
};

/** Whether serverless, as the canary, could not take a call in time. That is a cost of its limit, answered or not. */
function wasKeptWaiting(call: JudgedCall, toward: Toward): boolean {
  return toward === 'serverless' && call.role === 'canary' && call.wasHeld === true;
}

/** Whether a call failed within `EARLY_US`: 1 or 0, or null if the call is excluded. */
export function scoreEarly(call: JudgedCall, toward: Toward): number | null {
  if (wasKeptWaiting(call, toward)) return 1;
  if (call.outcome === null || call.knownAfterUs > EARLY_US) return 0;
  const kind = upstreamOf(call.role, toward);
  return isDecided(call.outcome, kind, toward) ? (isFault(call.outcome, kind, toward) ? 1 : 0) : null;
}

/**
 * Whether the upstream rejected the request as the caller's error within `EARLY_US`: 1 or 0. Null if serverless refused
 * it for its limit, because it had not examined the request.
 */
export function scoreRejection(call: JudgedCall, toward: Toward): number | null {
  if (call.outcome === null || call.knownAfterUs > EARLY_US) return 0;
  if (call.outcome === 'rate_limited' && upstreamOf(call.role, toward) === 'serverless') return null;
  return call.outcome === 'client_error' ? 1 : 0;
}

/**
 * The scores of a call at the age `profile.tauUs`, whatever happens to it later. `level`: how much slower than in the
 * profile stable is by now (in logarithms), learned from earlier calls. The latency from which a call is slow follows
 * it in both roles. Otherwise, if both roles drifted, any difference of their levels would count as a difference of
 * tails.
 */
export function scoreCall(call: JudgedCall, profile: Profile, level: number, toward: Toward): Scores {
  const kind: UpstreamKind = upstreamOf(call.role, toward);
  if (wasKeptWaiting(call, toward)) return scoreFault(call, profile, level);
  const wasKnown = call.outcome !== null && call.knownAfterUs < profile.tauUs;
  if (wasKnown && isFault(call.outcome, kind, toward)) return scoreFault(call, profile, level);
  const hasEnded = wasKnown && (call.durationUs < profile.tauUs || !isDecided(call.outcome, kind, toward));
  if (!hasEnded) {
    const firstToken = call.firstTokenUs === null ? WORST : logScore('firstToken', call, profile);
    return { ...NOTHING, faults: 0, speed: WORST, firstToken, tail: 1 };
  }
  // A client that left is held against the role only if the call was slow by then.
  if (call.outcome !== 'ok') {
    const hasLeftSlow = call.outcome === 'client_left' && isSlow(call.durationUs, call, profile, level);
    return hasLeftSlow ? { ...NOTHING, tail: 1 } : NOTHING;
  }
  return {
    faults: 0,
    speed: logScore('speed', call, profile),
    firstToken: logScore('firstToken', call, profile),
    perToken: logScore('perToken', call, profile),
    tail: isSlow(call.durationUs, call, profile, level) ? 1 : 0,
    length: logScore('length', call, profile),
    empty: emptiness(call),
    ...scoreForm(call.form),
  };
}

function scoreFault(call: JudgedCall, profile: Profile, level: number): Scores {
  return { ...NOTHING, faults: 1, speed: WORST, tail: isSlow(call.knownAfterUs, call, profile, level) ? 1 : null };
}

function isSlow(us: number, call: JudgedCall, { latency, typical, slowRatio }: Profile, level: number): boolean {
  const { promptTokens, outputTokens } = call;
  const predicted = predict(latency, promptTokens ?? typical.promptTokens, outputTokens ?? typical.outputTokens);
  return us > slowRatio * predicted * Math.exp(level);
}
