import type { Decision, Reason } from './decision.ts';
import { decision, leave, spanText } from './decision.ts';
import { NO_FIGURES } from './figures.ts';
import type { Observation } from './observation.ts';
import type { Rollout } from './rollout.ts';
import type { Verdict } from './old-verdict.ts';
import { judge } from './old-verdict.ts';

type Stepping = Extract<Rollout, { phase: 'stepping' }>;
type Promoted = Extract<Rollout, { phase: 'promoted' }>;

/** One stop of the way: must it go back, may it go on, and if not, what is missing? */
export function decideStepping(rollout: Stepping, seen: Observation): Decision {
  const retreat = decideRetreat(rollout, seen);
  if (retreat !== null) return retreat;
  const verdict = stepVerdict(rollout, seen);
  const hold = holdReason(rollout, seen, verdict);
  if (hold !== null) return keepHolding(rollout, seen, verdict, hold);
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator', { verdict });
  const next = describeNext(rollout, seen);
  const told = verdict === null ? next : `${next}; ${verdict.summary}`;
  if (seen.policy.approval === 'automatic') {
    const advanced = advance(rollout, seen, 'approved_by_policy', told, verdict);
    const approved = { type: 'approved' as const, step: rollout.step + 1, by: 'policy', reason: null };
    return { ...advanced, events: [approved, ...advanced.events] };
  }
  if (rollout.ask === null) {
    const events = [{ type: 'asked' as const, step: rollout.step + 1, verdict }];
    return decision('ask', 'needs_approval', told, { events, verdict });
  }
  return decision('wait', 'awaiting_approval', told, { verdict });
}

/** After the promotion the endpoint is still watched, and its weight still goes back when it must. */
export function decidePromoted(rollout: Promoted, seen: Observation): Decision {
  return decideRetreat(rollout, seen) ?? decision('wait', 'promoted', 'the endpoint serves all eligible calls');
}

/** The verdict on the step a rollout stands at; null at step 0, where there is no traffic to judge. */
export function stepVerdict(rollout: Stepping, seen: Observation): Verdict | null {
  if (rollout.step === 0) return null;
  const figures = seen.figures?.step === rollout.step ? seen.figures : null;
  const hasStable = (seen.policy.steps[rollout.step - 1] ?? 1) < 1;
  return judge(
    figures?.stable ?? NO_FIGURES,
    figures?.canary ?? NO_FIGURES,
    seen.policy.limits,
    hasStable ? null : rollout.baseline,
  );
}

/** The decision to enter the next step, or to promote after the last. */
export function advance(
  rollout: Stepping,
  seen: Observation,
  reason: Reason,
  detail: string,
  verdict: Verdict | null,
): Decision {
  if (rollout.step >= seen.policy.steps.length) {
    return decision('promote', reason, detail, { events: [{ type: 'promoted' }], verdict });
  }
  const step = rollout.step + 1;
  const weight = seen.policy.steps[step - 1] ?? 1;
  const stable = seen.figures?.step === rollout.step && seen.figures.stable.decided > 0 ? seen.figures.stable : null;
  const events = [{ type: 'step_entered' as const, step, weight, stable }];
  return decision('enter_step', reason, detail, { events, verdict });
}

function describeNext(rollout: Stepping, seen: Observation): string {
  if (rollout.step >= seen.policy.steps.length) return 'promote: the endpoint becomes stable';
  const weight = seen.policy.steps[rollout.step] ?? 1;
  return `step ${rollout.step + 1} of ${seen.policy.steps.length}: ${Math.round(weight * 1000) / 10} % to the endpoint`;
}

/** Why a step may not end yet; null where it may. */
function holdReason(rollout: Stepping, seen: Observation, verdict: Verdict | null): [Reason, string] | null {
  if (verdict === null) return null;
  const spent = seen.now - rollout.since;
  const { bake } = seen.policy.limits;
  if (spent < bake) return ['baking', `${spanText(spent)} of ${spanText(bake)}; ${verdict.summary}`];
  if (verdict.status === 'pass') return null;
  return [verdict.status === 'fail' ? 'over_limits' : 'gathering', verdict.summary];
}

function keepHolding(
  rollout: Stepping,
  seen: Observation,
  verdict: Verdict | null,
  [reason, detail]: [Reason, string],
): Decision {
  if (rollout.ask !== null) {
    const events = [{ type: 'ask_withdrawn' as const, step: rollout.ask.step, reason: detail }];
    return decision('withdraw_ask', 'verdict_changed', detail, { events, verdict });
  }
  const { stepWithin, rolloutWithin } = seen.policy.limits;
  const isLate = seen.now - rollout.since > stepWithin;
  const isVeryLate = seen.now - rollout.startedAt > rolloutWithin;
  if (!isLate && !isVeryLate) return decision('wait', reason, detail, { verdict });
  const why = isVeryLate ? 'rollout_overdue' : 'step_overdue';
  const told = `${isVeryLate ? `rollout older than ${spanText(rolloutWithin)}` : `step older than ${spanText(stepWithin)}`}; ${detail}`;
  if (seen.policy.approval === 'automatic') return { ...goBack(rollout, seen, why, told), verdict };
  return decision('wait', why, told, { verdict });
}

/** Looks at the endpoint in a row: one that fails its health route once may only be busy. */
const MOST_BAD_LOOKS = 3;

const BAD_STATES = {
  failed: 'endpoint_failed',
  updateFailed: 'endpoint_failed',
  paused: 'endpoint_paused',
  scaledToZero: 'endpoint_scaled_to_zero',
  absent: 'endpoint_absent',
} as const;

/** Whether the weight must go back, and whether the other side can take it. Never waits for a person. */
export function decideRetreat(rollout: Stepping | Promoted, seen: Observation): Decision | null {
  const cause = retreatCause(rollout, seen);
  if (cause === null) return null;
  const [reason, detail] = cause;
  const { attempts, faults } = seen.stableRecent;
  if (canStableConnect(seen) && reason === 'consecutive_faults' && attempts >= 5 && faults * 2 >= attempts) {
    return decision('wait', 'both_unhealthy', `${detail}, but serverless fails ${faults} of ${attempts} too: holding`);
  }
  return goBack(rollout, seen, reason, detail);
}

/** Returns all weight to serverless, unless it refuses connections: then traffic stays where it is. */
function goBack(rollout: Stepping | Promoted, seen: Observation, reason: Reason, detail: string): Decision {
  if (canStableConnect(seen)) return leave(rollout, 'aborted', reason, detail);
  return decision('wait', 'stable_unable', `${detail}, but serverless refuses connections: holding`);
}

function canStableConnect({ stableRecent: { attempts, connectFailures } }: Observation): boolean {
  return attempts < 3 || connectFailures < attempts;
}

function retreatCause(rollout: Stepping | Promoted, seen: Observation): [Reason, string] | null {
  const { endpoint } = seen;
  if (endpoint !== null && endpoint.at >= rollout.startedAt && endpoint.state in BAD_STATES) {
    const reason = BAD_STATES[endpoint.state as keyof typeof BAD_STATES];
    return [reason, `${rollout.endpointName} is ${endpoint.state}${endpoint.message ? ` (${endpoint.message})` : ''}`];
  }
  if (endpoint !== null && endpoint.at >= rollout.startedAt && endpoint.badLooks >= MOST_BAD_LOOKS) {
    return [
      'endpoint_unhealthy',
      `${rollout.endpointName} is ${endpoint.state} but not healthy, ${endpoint.badLooks} looks in a row`,
    ];
  }
  const hasTraffic = rollout.phase === 'promoted' || rollout.step > 0;
  if (hasTraffic && seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults) {
    return ['consecutive_faults', `${seen.canaryFaultsInRow} faults of the endpoint in a row`];
  }
  return null;
}
