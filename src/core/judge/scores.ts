import { isDecided, isFault } from '../call.ts';
import type { MetricName } from '../policy/judge.ts';
import { upstreamOf } from '../route.ts';
import type { Toward, UpstreamKind } from '../route.ts';
import { predict } from './latency-model.ts';
import { logScore } from './profile.ts';
import type { Profile } from './profile.ts';
import type { JudgedCall } from './verdict.ts';

/** A call that has not failed by this age, µs, is fine as far as early faults go. */
export const EARLY_US = 2e6;

/** The score of what is over or broken: worse than any time. */
const WORST = Number.POSITIVE_INFINITY;

/** What one call says on each metric: shares 0 or 1, sizes in logarithms; null where it says nothing. */
export type Scores = Readonly<Record<MetricName, number | null>>;

const NOTHING: Scores = {
  faults: null,
  speed: null,
  firstToken: null,
  perToken: null,
  tail: null,
  length: null,
  empty: null,
};

/** Whether serverless, as the canary, could not take a call in time: that is what its limit costs, answered or not. */
function wasKeptWaiting(call: JudgedCall, toward: Toward): boolean {
  return toward === 'serverless' && call.role === 'canary' && call.wasHeld === true;
}

/** Whether it failed within `EARLY_US`: 1, 0, or null where it is excluded. */
export function scoreEarly(call: JudgedCall, toward: Toward): number | null {
  if (wasKeptWaiting(call, toward)) return 1;
  if (call.outcome === null || call.knownAfterUs > EARLY_US) return 0;
  const kind = upstreamOf(call.role, toward);
  return isDecided(call.outcome, kind, toward) ? (isFault(call.outcome, kind, toward) ? 1 : 0) : null;
}

/** Whether the upstream blamed the caller within `EARLY_US`; null where serverless refused before it looked. */
export function scoreRejection(call: JudgedCall, toward: Toward): number | null {
  if (call.outcome === null || call.knownAfterUs > EARLY_US) return 0;
  if (call.outcome === 'rate_limited' && upstreamOf(call.role, toward) === 'serverless') return null;
  return call.outcome === 'client_error' ? 1 : 0;
}

/**
 * What a call that was over at the age `profile.tauUs` says, whatever came of it later. `level`: how much slower than in
 * the profile stable is by now (in logarithms), known before the call; what is slow for both roles follows it, else
 * a drift of both would make any difference of levels a difference of tails.
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
  // A client that left waited in vain only if the call had become slow by then.
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
    empty: call.outputTokens === null ? null : call.outputTokens === 0 ? 1 : 0,
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
