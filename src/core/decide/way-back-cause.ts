import { handedOn } from '../money/budget-marks.ts';
import { isAbout } from '../rollout/ask.ts';
import { stopWeight } from '../rollout/rollout.ts';
import { isStill } from '../rollout/pauses.ts';
import type { Rollout, WayBack } from '../rollout/rollout.ts';
import { otherShare } from '../rollout/split.ts';
import { spanText } from '../text.ts';
import { expectedRefused, payingTraffic } from '../worth/traffic-history.ts';
import { beginEffect, decision } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { heldBack } from './holds.ts';
import type { BackSeen, Observation } from './observation.ts';
import { serverlessUnable } from './serverless-unable.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

const LEARNED_VALID_MS = 600_000;

/** Why a way back may be needed. */
interface Cause {
  readonly reason: 'traffic_low' | 'slo_missed';
  /** The cause in figures, for people. */
  readonly figures: string;
  readonly since: number;
  /** How long it must have held before a way back is proposed, ms. */
  readonly sustain: number;
}

/**
 * Proposes a way back if a cause has held long enough and serverless can take the calls; else says what it waits for.
 * Null if there is no cause, or if the rollout is paused.
 */
export function considerBack(rollout: Promoted, seen: Observation): Decision | null {
  const { back } = seen;
  if (back === null || isStill(rollout)) return null;
  const cause = sloCause(back) ?? trafficCause(seen, back);
  if (cause === null) return null;
  const { figures } = cause;
  const held = heldBack(seen, 'serverless');
  if (held !== null) return { ...held, detail: `${figures}; ${held.detail}` };
  const heldMs = seen.now - cause.since;
  if (heldMs < cause.sustain) {
    return decision('wait', 'sustaining', `${figures}; held for ${spanText(heldMs)} of ${spanText(cause.sustain)}`);
  }
  const left = restLeft(rollout, seen, cause.reason);
  if (left > 0) return decision('wait', 'cooldown', `${figures}; nothing is proposed for another ${spanText(left)}`);
  const unable = serverlessUnable(seen);
  if (unable !== null) return decision('wait', 'stable_unable', `${figures}; ${unable}`);
  const cannot = serverlessCannot(back, 1);
  if (cannot !== null) return decision('wait', 'serverless_cannot', `${figures}; ${cannot}`);
  return decideProposing(rollout, seen, cause);
}

/** The endpoint misses the policy's `slo`. */
function sloCause({ slo, policy }: BackSeen): Cause | null {
  if (slo === null || slo.missedSince === null) return null;
  const { p95, availability, sustain } = policy.slo;
  const missed: string[] = [];
  if (p95 !== null && slo.slowShare !== null) {
    missed.push(`${percent(slo.slowShare)} of answers take longer than ${latency(p95)} (allowed: 5 %)`);
  }
  if (availability !== null)
    missed.push(`${percent(slo.availability)} of calls are answered (wanted: ${percent(availability)})`);
  return { reason: 'slo_missed', figures: `on the endpoint ${missed.join(', ')}`, since: slo.missedSince, sustain };
}

/** The traffic is too low for the endpoint's price. */
function trafficCause({ costs }: Observation, { traffic, policy }: BackSeen): Cause | null {
  if (traffic === null || traffic.belowSince === null) return null;
  const limit = Math.round(payingTraffic(policy, costs) ?? 0);
  const isPriced = costs !== null && policy.below !== null;
  const why = isPriced ? `${percent(policy.below ?? 0)} of break-even` : 'back.calls';
  const figures = `${traffic.calls} calls in 5 min, below ${limit} (${why})`;
  return { reason: 'traffic_low', figures, since: traffic.belowSince, sustain: policy.sustain };
}

/**
 * How long no way back may be proposed yet, ms: for the policy's `cooldown` after the last way back, and for `after`
 * after the promotion if the cause is low traffic.
 */
function restLeft(rollout: Promoted, seen: Observation, reason: Cause['reason']): number {
  const { after, cooldown } = (seen.back as BackSeen).policy;
  const sinceEnd =
    seen.lastToward === 'serverless' && seen.lastEndedAt !== null ? seen.now - seen.lastEndedAt : Infinity;
  const sincePromotion = reason === 'traffic_low' ? seen.now - rollout.since : Infinity;
  return Math.max(0, cooldown - sinceEnd, after - sincePromotion);
}

function decideProposing(rollout: Promoted, seen: Observation, { reason, figures, since }: Cause): Decision {
  const result = seen.results.learn;
  if (result?.learned === undefined || seen.now - result.at > LEARNED_VALID_MS) {
    const learning = decision('learn', 'learning', `${figures}; reads what is usual for the endpoint`);
    return beginEffect(
      seen,
      'learn',
      learning,
      decision('wait', 'learning', 'what is usual for the endpoint is being read'),
    );
  }
  const wayBack: WayBack = {
    replaces: rollout.id,
    endpoint: rollout.endpoint,
    profile: result.learned,
    runsSince: rollout.startedAt,
  };
  const { endpointName, namespace, pricePerHourMicros, instance } = rollout;
  const budget = handedOn(rollout.budget ?? [], isAbout(rollout.ask, 'budget'));
  const next = {
    id: seen.next.rolloutId,
    model: seen.model,
    // A way back is a new rollout, so it pins the present policy file.
    policyHash: seen.newPolicyHash ?? seen.policyHash,
    toward: 'serverless' as const,
    createdAt: seen.now,
    endpointName,
    namespace,
    pricePerHourMicros,
    instance,
    criteriaSince: since,
    wayBack,
    // The endpoint is the same, so its extended budgets stay extended.
    ...(budget.length > 0 && { budget }),
  };
  const detail = `back to serverless: ${figures}; ${forecastText(seen.back as BackSeen)}`;
  return decision('propose', reason satisfies Reason, detail, { events: [{ type: 'proposed', rollout: next }] });
}

/** Why serverless cannot take this share of the route's traffic (0..1); null if it can, or if that is not known. */
export function serverlessCannot({ traffic, serverlessLimit, refusedMost }: BackSeen, share: number): string | null {
  const refused = traffic === null ? null : expectedRefused(traffic.p95 * share, serverlessLimit);
  if (traffic === null || refused === null || refused <= refusedMost) return null;
  const calls = Math.round(traffic.p95 * share);
  return `serverless would refuse ${percent(refused)} of ${calls} calls in 5 min (its limit: ${Math.round(serverlessLimit ?? 0)}; allowed: ${percent(refusedMost)})`;
}

/** How many of the route's calls serverless is expected to refuse, for people. */
export function forecastText({ traffic, serverlessLimit }: BackSeen): string {
  const refused = traffic === null ? null : expectedRefused(traffic.p95, serverlessLimit);
  if (traffic === null || refused === null) {
    return 'it is not known how many calls serverless takes; each step shows it';
  }
  return `serverless would refuse ${percent(refused)} of ${traffic.p95} calls in 5 min (its limit: ${Math.round(serverlessLimit ?? 0)})`;
}

/** `step 2 of 5: 50 % to the endpoint, 50 % to serverless`. */
export function stepBackText(step: number, { policy }: Pick<Observation, 'policy'>): string {
  const weight = stopWeight(step, policy, 'serverless');
  const [kept, given] = [otherShare(weight), weight].map((share) => Math.round(share * 1_000) / 10);
  return `step ${step} of ${policy.steps.length}: ${kept} % to the endpoint, ${given} % to serverless`;
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}

function latency(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
