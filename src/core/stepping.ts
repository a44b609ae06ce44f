import type { Decision, Reason } from './decision.ts';
import { decision, leave, spanText } from './decision.ts';
import type { Observation } from './observation.ts';
import type { Live, Rollout } from './rollout.ts';
import { stopWeight } from './rollout.ts';
import type { Verdict } from './verdict.ts';

type Shadowing = Extract<Rollout, { phase: 'shadowing' }>;
type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;
type Promoted = Extract<Rollout, { phase: 'promoted' }>;

/** Copies go to the endpoint and nobody depends on their answers: it is let finish, unless the endpoint is plainly out. */
export function decideShadowing(rollout: Shadowing, seen: Observation): Decision {
  const { verdict } = seen;
  const retreat = decideRetreat(rollout, seen);
  if (retreat !== null) return retreat;
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator', { verdict });
  const spent = seen.now - rollout.since;
  const { time } = seen.policy.shadow;
  if (spent < time) {
    return decision('wait', 'shadowing', `${spanText(spent)} of ${spanText(time)}; ${shadowText(seen)}`, { verdict });
  }
  if (verdict?.status === 'fail') {
    return { ...goBack(rollout, seen, 'verdict_fail', failureText(rollout, seen, verdict)), verdict };
  }
  const events = [{ type: 'shadow_ended' as const, verdict }];
  return decision('finish_shadow', 'shadowing', shadowText(seen), { events, verdict });
}

function shadowText({ shadow, verdict }: Observation): string {
  if (shadow === null || shadow.sent === 0) return 'no call has been copied yet';
  const dropped = shadow.dropped === 0 ? '' : `, ${shadow.dropped} not copied`;
  const told = verdict === null ? '' : `; ${verdict.summary}`;
  return `${shadow.ended} of ${shadow.sent} copies ended, ${shadow.faults} failed${dropped}${told}`;
}

/** One stop of the way: must it go back, may it go on, and if not, what is missing? */
export function decideStopped(rollout: Stopped, seen: Observation): Decision {
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

/** The verdict on the stop that a rollout stands at; null at step 0, where there is no traffic to judge. */
export function stepVerdict(rollout: Stopped, seen: Observation): Verdict | null {
  return rollout.step === 0 || seen.verdict?.step !== rollout.step ? null : seen.verdict;
}

/** The decision to enter the next step, or to promote after the last. */
export function advance(
  rollout: Stopped,
  seen: Observation,
  reason: Reason,
  detail: string,
  verdict: Verdict | null,
): Decision {
  if (rollout.phase === 'holding') {
    return decision('promote', reason, detail, { events: [{ type: 'promoted' }], verdict });
  }
  const { steps } = seen.policy;
  const step = rollout.step + 1;
  const phase = step >= steps.length ? ('holding' as const) : ('stepping' as const);
  const events = [{ type: 'step_entered' as const, step, weight: stopWeight(step, seen.policy), phase }];
  return decision('enter_step', reason, detail, { events, verdict });
}

function describeNext(rollout: Stopped, seen: Observation): string {
  if (rollout.phase === 'holding') return 'promote: the endpoint becomes stable';
  const step = rollout.step + 1;
  const percent = Math.round(stopWeight(step, seen.policy) * 1000) / 10;
  return `step ${step} of ${seen.policy.steps.length}: ${percent} % to the endpoint`;
}

/** Why a step may not end yet; null where it may. */
function holdReason(rollout: Stopped, seen: Observation, verdict: Verdict | null): [Reason, string] | null {
  if (rollout.step === 0) return null;
  if (verdict === null) return ['gathering', 'nothing has been judged yet'];
  if (verdict.status === 'unhealthy') return ['unhealthy', verdict.summary];
  const spent = seen.now - rollout.since;
  const bake = bakeTime(rollout, seen);
  if (spent < bake) return ['baking', `${spanText(spent)} of ${spanText(bake)}; ${verdict.summary}`];
  const { minCalls } = seen.policy.limits;
  if (verdict.canaryCalls < minCalls) {
    return ['gathering', `${verdict.canaryCalls} of ${minCalls} calls on the endpoint; ${verdict.summary}`];
  }
  return verdict.status === 'pass' ? null : ['gathering', verdict.summary];
}

/** How long a stop lasts at least. */
export function bakeTime({ phase }: Pick<Rollout, 'phase'>, { policy }: Pick<Observation, 'policy'>): number {
  return phase === 'holding' ? Math.max(policy.limits.bake, policy.holdBack.time) : policy.limits.bake;
}

function keepHolding(
  rollout: Stopped,
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

/** An endpoint that began to work so recently may be slow because it is cold, and is said to be. */
const COLD_MS = 600_000;

function failureText(rollout: Shadowing | Stopped, seen: Observation, verdict: Verdict): string {
  const { summary } = verdict;
  const age = seen.now - rollout.since;
  const isEarly = rollout.phase === 'shadowing' || (rollout.phase === 'stepping' && rollout.step === 1);
  if (!isEarly || age >= COLD_MS || !isSlowAsAWhole(verdict)) return summary;
  const what = rollout.phase === 'shadowing' ? 'copies' : 'live traffic';
  return `${summary}; it has had ${what} for ${spanText(age)} only and may still have been cold: a later rollout may do better`;
}

/** Beyond this share of slow calls they are not a few any more. */
const MANY_SLOW = 0.2;

/** A few slow calls, or some that never end, are no sign of a cold endpoint: that is slow in all it does. */
function isSlowAsAWhole({ cause, metrics }: Verdict): boolean {
  if (cause !== 'tail') return cause === 'speed' || cause === 'firstToken' || cause === 'perToken';
  const tail = metrics.find(({ metric }) => metric === 'tail');
  if ((tail?.canary ?? 0) >= MANY_SLOW) return true;
  const speed = metrics.find(({ metric }) => metric === 'speed');
  if (speed === undefined || speed.stable === null || speed.canary === null) return false;
  return speed.canary > speed.stable * (1 + speed.margin);
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
export function decideRetreat(rollout: Live, seen: Observation): Decision | null {
  const cause = retreatCause(rollout, seen);
  if (cause === null) return null;
  const [reason, detail] = cause;
  const { attempts, faults } = seen.stableRecent;
  if (canStableConnect(seen) && reason === 'consecutive_faults' && attempts >= 5 && faults * 2 >= attempts) {
    return decision('wait', 'both_unhealthy', `${detail}, but serverless fails ${faults} of ${attempts} too: holding`);
  }
  return { ...goBack(rollout, seen, reason, detail), verdict: seen.verdict };
}

/** Returns all weight to serverless, unless it refuses connections: then traffic stays where it is. */
function goBack(rollout: Live, seen: Observation, reason: Reason, detail: string): Decision {
  if (canStableConnect(seen)) return leave(rollout, 'aborted', reason, detail);
  return decision('wait', 'stable_unable', `${detail}, but serverless refuses connections: holding`);
}

function canStableConnect({ stableRecent: { attempts, connectFailures } }: Observation): boolean {
  return attempts < 3 || connectFailures < attempts;
}

function retreatCause(rollout: Live, seen: Observation): [Reason, string] | null {
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
  const hasTraffic = rollout.phase !== 'stepping' || rollout.step > 0;
  if (hasTraffic && seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults) {
    return ['consecutive_faults', `${seen.canaryFaultsInRow} faults of the endpoint in a row`];
  }
  if (rollout.phase === 'stepping' || rollout.phase === 'holding') {
    // The last copies may end, and tell, after their stage: then nobody is to approve the first step.
    const verdict = rollout.step === 0 ? seen.verdict : stepVerdict(rollout, seen);
    if (verdict?.status === 'fail') return ['verdict_fail', failureText(rollout, seen, verdict)];
  }
  return null;
}
