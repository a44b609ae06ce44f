import { sideName } from '../judge/sentence.ts';
import type { Verdict } from '../judge/verdict.ts';
import { askText, isAbout } from '../rollout/ask.ts';
import { stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { capacityHold, OPEN_SLACK } from './capacity-hold.ts';
import { decision } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { failureText } from './failure-text.ts';
import type { Observation } from './observation.ts';
import { canConnect, decideRollback, rollBack, stepVerdict } from './rollback.ts';
import { serverlessCannot, stepBackText } from './way-back-cause.ts';

type Shadowing = Extract<Rollout, { phase: 'shadowing' }>;
type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;
/** Where a next step may be entered from: a way back has no step before its first. */
type Steppable = Stopped | Extract<Rollout, { phase: 'proposed' }>;

/** Copies go to the endpoint and nobody depends on their answers: it is let finish, unless the endpoint is plainly out. */
export function decideShadowing(rollout: Shadowing, seen: Observation): Decision {
  const { verdict } = seen;
  const rollback = decideRollback(rollout, seen);
  if (rollback !== null) return rollback;
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator', { verdict });
  const spent = seen.now - rollout.since;
  const { time } = seen.policy.shadow;
  if (spent < time) {
    return decision('wait', 'shadowing', `${spanText(spent)} of ${spanText(time)}; ${shadowText(seen)}`, { verdict });
  }
  if (verdict?.status === 'fail') {
    return { ...rollBack(rollout, seen, 'verdict_fail', failureText(rollout, seen, verdict)), verdict };
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
  const rollback = decideRollback(rollout, seen);
  return rollback ?? decideStep(rollout, seen);
}

/** A stop that need not be left: may the next one be entered, and if not, what is missing? */
export function decideStep(rollout: Stopped, seen: Observation): Decision {
  const verdict = stepVerdict(rollout, seen);
  const hold = holdReason(rollout, seen, verdict) ?? serverlessHold(rollout, seen);
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
  // One question at a time: the step is asked about once the other has its answer.
  const first = isAbout(rollout.ask, 'step') ? '' : `first ${askText(rollout.ask)}; then `;
  return decision('wait', 'awaiting_approval', `${first}${told}`, { verdict });
}

/** The decision to enter the next step, or to promote after the last. */
export function advance(
  rollout: Steppable,
  seen: Observation,
  reason: Reason,
  detail: string,
  verdict: Verdict | null,
): Decision {
  if (rollout.phase === 'holding') {
    if (rollout.toward === 'serverless') return returnAll(reason, detail, verdict);
    return decision('promote', reason, detail, { events: [{ type: 'promoted' }], verdict });
  }
  const { steps } = seen.policy;
  const step = nextStep(rollout);
  const phase = step >= steps.length ? ('holding' as const) : ('stepping' as const);
  const events = [
    { type: 'step_entered' as const, step, weight: stopWeight(step, seen.policy, rollout.toward), phase },
  ];
  return decision('enter_step', reason, detail, { events, verdict });
}

/** Why the endpoint of a way back that succeeded is left: not for any fault of it. */
export const RETURNED = 'serverless has passed every step of the way back';

/** The last stop of a way back was passed: serverless gets the rest, and the endpoint ends. */
function returnAll(reason: Reason, detail: string, verdict: Verdict | null): Decision {
  const events = [{ type: 'draining' as const, outcome: 'returned' as const, reason: RETURNED, hint: null }];
  return decision('return', reason, detail, { events, verdict });
}

function nextStep(rollout: Steppable): number {
  return rollout.phase === 'proposed' ? 1 : rollout.step + 1;
}

/** Why serverless cannot be given the next step's share; null where it can, or is given none. */
export function serverlessHold(rollout: Steppable, seen: Observation): [Reason, string] | null {
  if (rollout.toward !== 'serverless') return null;
  if (!canConnect(seen)) return ['stable_unable', 'serverless refuses connections'];
  if (seen.back == null) return null;
  // A way back is begun only where serverless can take it all.
  const share = rollout.phase === 'stepping' ? stopWeight(nextStep(rollout), seen.policy, 'serverless') : 1;
  const cannot = serverlessCannot(seen.back, share);
  return cannot === null ? null : ['serverless_cannot', cannot];
}

function describeNext(rollout: Stopped, seen: Observation): string {
  if (rollout.toward === 'serverless') {
    if (rollout.phase === 'holding') return 'return: all calls go to serverless, the endpoint is paused';
    return stepBackText(nextStep(rollout), seen);
  }
  if (rollout.phase === 'holding') return 'promote: the endpoint becomes stable';
  const step = rollout.step + 1;
  const percent = Math.round(stopWeight(step, seen.policy, rollout.toward) * 1000) / 10;
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
  const minCalls = leastCalls(rollout, seen);
  if (verdict.canaryCalls < minCalls) {
    return [
      'gathering',
      `${verdict.canaryCalls} of ${minCalls} calls on ${sideName(rollout.toward)}; ${verdict.summary}`,
    ];
  }
  if (verdict.status !== 'pass') return ['gathering', verdict.summary];
  const full = capacityHold(rollout, seen, rollout.ask === null ? 1 : OPEN_SLACK);
  return full === null ? null : ['capacity', full];
}

/** How many calls of the canary must have been judged in a stop: there are few where an endpoint no longer pays. */
export function leastCalls({ toward }: Pick<Rollout, 'toward'>, { policy }: Pick<Observation, 'policy'>): number {
  const { back, limits } = policy;
  return toward === 'serverless' ? (back.minCalls ?? limits.minCalls) : limits.minCalls;
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
  if (isAbout(rollout.ask, 'step')) {
    const events = [{ type: 'ask_withdrawn' as const, step: rollout.ask.step, reason: detail }];
    const why = reason === 'serverless_cannot' || reason === 'stable_unable' ? reason : 'verdict_changed';
    return decision('withdraw_ask', why, detail, { events, verdict });
  }
  const { stepWithin, rolloutWithin } = seen.policy.limits;
  const isLate = seen.now - rollout.since > stepWithin;
  const isVeryLate = seen.now - rollout.startedAt > rolloutWithin;
  if (!isLate && !isVeryLate) return decision('wait', reason, detail, { verdict });
  const why = isVeryLate ? 'rollout_overdue' : 'step_overdue';
  const told = `${isVeryLate ? `rollout older than ${spanText(rolloutWithin)}` : `step older than ${spanText(stepWithin)}`}; ${detail}`;
  // On a way back calls are few, and the endpoint that it would go back to is the one that is too dear: it goes on.
  const mustLeave = seen.policy.approval === 'automatic' && rollout.toward === 'dedicated';
  if (mustLeave) return { ...rollBack(rollout, seen, why, told), verdict };
  return decision('wait', why, told, { verdict });
}
