import { sideName } from '../judge/sentence.ts';
import type { Verdict } from '../judge/verdict.ts';
import { isAbout } from '../rollout/ask.ts';
import { unpausedMs } from '../rollout/pauses.ts';
import { stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { ask, stayPaused } from './asking.ts';
import type { Hold, Question } from './asking.ts';
import { capacityHold, OPEN_SLACK, saturatedHold } from './capacity-hold.ts';
import { decision } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { failureText } from './failure-text.ts';
import type { Observation } from './observation.ts';
import { decideOutage } from './outage.ts';
import { decideRollback, oddReading, rollBack, stepVerdict } from './rollback.ts';
import { serverlessUnable } from './serverless-unable.ts';
import { serverlessCannot, stepBackText } from './way-back-cause.ts';

type Shadowing = Extract<Rollout, { phase: 'shadowing' }>;
type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;
/** A rollout that may enter a step. A way back enters its first step from its proposal. */
type Steppable = Stopped | Extract<Rollout, { phase: 'proposed' }>;

/**
 * Copies of calls go to the endpoint, and no client depends on their answers. So the stage runs to its end unless the
 * endpoint is clearly broken. A failed verdict rolls back only at the end.
 */
export function decideShadowing(rollout: Shadowing, seen: Observation): Decision {
  const { verdict } = seen;
  const rollback = decideRollback(rollout, seen);
  if (rollback !== null) return rollback;
  if (rollout.isPaused) return stayPaused({ verdict });
  // No copy is made while it is paused.
  const spent = unpausedMs(rollout, rollout.since, seen.now);
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
  const judged = verdict === null ? '' : `; ${verdict.summary}`;
  return `${shadow.ended} of ${shadow.sent} copies ended, ${shadow.faults} failed${dropped}${judged}`;
}

/**
 * At a step of a rollout toward the endpoint: rolls back, enters the next step, asks about it, or says what is missing.
 */
export function decideStopped(rollout: Stopped, seen: Observation): Decision {
  const rollback = decideRollback(rollout, seen);
  const outage = decideOutage(rollout, seen);
  // Even a rollback that must wait for a side that can serve keeps no end of an outage waiting.
  if (outage?.action === 'end_outage' && rollback?.action !== 'roll_back') return outage;
  return rollback ?? outage ?? decideStep(rollout, seen);
}

/** At a step that needs no rollback: enters the next step, asks about it, or says what is missing. */
export function decideStep(rollout: Stopped, seen: Observation): Decision {
  const verdict = stepVerdict(rollout, seen);
  const hold = stepHold(rollout, seen, verdict) ?? serverlessHold(rollout, seen);
  const next = describeNext(rollout, seen);
  const text = verdict === null ? next : `${next}; ${verdict.summary}`;
  const isAutomatic = seen.policy.approval === 'automatic';
  const carryOut = () => advance(rollout, seen, 'approved_by_policy', text, verdict);
  const question: Question = { about: 'step', step: rollout.step + 1, verdict, text, isAutomatic, carryOut };
  const late = hold === null ? null : overdue(rollout, seen, hold);
  if (late !== null) return { ...late, verdict };
  return ask(rollout, question, hold);
}

/** The decision to enter the next step, or after the last step to promote, or in a way back to return all calls. */
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

/** The reason stored with a way back that succeeded. */
export const RETURNED = 'serverless has passed every step of the way back';

/** After the last step of a way back: serverless gets all calls, and the endpoint drains. */
function returnAll(reason: Reason, detail: string, verdict: Verdict | null): Decision {
  const events = [{ type: 'draining' as const, outcome: 'returned' as const, reason: RETURNED, hint: null }];
  return decision('return', reason, detail, { events, verdict });
}

function nextStep(rollout: Steppable): number {
  return rollout.phase === 'proposed' ? 1 : rollout.step + 1;
}

/**
 * Why serverless cannot be given the next step's share of calls; null if it can, or if the rollout is not a way back.
 */
export function serverlessHold(rollout: Steppable, seen: Observation): Hold | null {
  if (rollout.toward !== 'serverless') return null;
  const unable = serverlessUnable(seen);
  if (unable !== null) return { reason: 'stable_unable', detail: unable };
  if (seen.back === null) return null;
  // A way back begins only if serverless can take all calls.
  const share = rollout.phase === 'stepping' ? stopWeight(nextStep(rollout), seen.policy, 'serverless') : 1;
  const cannot = serverlessCannot(seen.back, share);
  return cannot === null ? null : { reason: 'serverless_cannot', detail: cannot };
}

function describeNext(rollout: Stopped, seen: Observation): string {
  if (rollout.toward === 'serverless') {
    if (rollout.phase === 'holding') return 'return: all calls go to serverless, and the endpoint is paused';
    return stepBackText(nextStep(rollout), seen);
  }
  if (rollout.phase === 'holding') return 'promote: the endpoint becomes stable';
  const step = rollout.step + 1;
  const percent = Math.round(stopWeight(step, seen.policy, rollout.toward) * 1000) / 10;
  return `step ${step} of ${seen.policy.steps.length}: ${percent} % to the endpoint`;
}

/** Why the next step may not be entered yet; null if it may. */
function stepHold(rollout: Stopped, seen: Observation, verdict: Verdict | null): Hold | null {
  const hold = holdReason(rollout, seen, verdict);
  return hold === null ? null : { reason: hold[0], detail: hold[1], withdrawn: 'verdict_changed' };
}

function holdReason(rollout: Stopped, seen: Observation, verdict: Verdict | null): [Reason, string] | null {
  const odd = rollout.toward === 'dedicated' ? oddReading(rollout, seen) : null;
  if (odd !== null) return odd;
  if (rollout.step === 0) return null;
  if (verdict === null) return ['gathering', 'nothing has been judged yet'];
  if (verdict.status === 'unhealthy') return ['unhealthy', verdict.summary];
  const slack = rollout.ask === null ? 1 : OPEN_SLACK;
  const saturated = saturatedHold(rollout, seen, slack);
  if (saturated !== null) return ['saturated', saturated];
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
  const full = capacityHold(rollout, seen, slack);
  return full === null ? null : ['capacity', full];
}

/**
 * How many calls of the canary must have been judged in a step. A way back may need fewer, because its route has little
 * traffic.
 */
export function leastCalls({ toward }: Pick<Rollout, 'toward'>, { policy }: Pick<Observation, 'policy'>): number {
  const { back, limits } = policy;
  return toward === 'serverless' ? (back.minCalls ?? limits.minCalls) : limits.minCalls;
}

/** The shortest time that a step lasts, ms. */
export function bakeTime({ phase }: Pick<Rollout, 'phase'>, { policy }: Pick<Observation, 'policy'>): number {
  return phase === 'holding' ? Math.max(policy.limits.bake, policy.holdBack.time) : policy.limits.bake;
}

/**
 * What to do about a step or a rollout that is too old and may still not go on; null if it is not. The time in which it was
 * paused does not count. An open question is withdrawn before.
 */
function overdue(rollout: Stopped, seen: Observation, { reason, detail }: Hold): Decision | null {
  if (rollout.isPaused || isAbout(rollout.ask, 'step')) return null;
  const { stepWithin, rolloutWithin } = seen.policy.limits;
  const isLate = unpausedMs(rollout, rollout.since, seen.now) > stepWithin;
  const isVeryLate = unpausedMs(rollout, rollout.startedAt, seen.now) > rolloutWithin;
  if (!isLate && !isVeryLate) return null;
  const why = isVeryLate ? 'rollout_overdue' : 'step_overdue';
  const age = isVeryLate
    ? `the rollout is older than ${spanText(rolloutWithin)}`
    : `the step is older than ${spanText(stepWithin)}`;
  const late = `${age}; ${detail}`;
  // An overdue way back is not rolled back, because it has few calls and the endpoint costs too much or is too slow.
  // Neither is one whose endpoint is too small: what it has room for, it answers.
  const mustLeave = seen.policy.approval === 'automatic' && rollout.toward === 'dedicated' && reason !== 'saturated';
  return mustLeave ? rollBack(rollout, seen, why, late) : decision('wait', why, late);
}
