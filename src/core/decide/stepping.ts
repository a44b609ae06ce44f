import { sideName } from '../judge/side-name.ts';
import type { Verdict } from '../judge/verdict.ts';
import { isAbout } from '../rollout/ask.ts';
import { isStill, unpausedMs } from '../rollout/pauses.ts';
import { stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { momentText } from '../time.ts';
import { ask, stayPaused } from './asking.ts';
import type { Hold, Question } from './asking.ts';
import { capacityHold, OPEN_SLACK, saturatedHold } from './capacity-hold.ts';
import { rolloutMs, stepMs } from './closed.ts';
import { decision } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { changedText, evidenceOf, evidenceText } from './evidence.ts';
import type { Evidence } from './evidence.ts';
import { failureText } from './failure-text.ts';
import { withQuestion } from './form-question.ts';
import type { Observation } from './observation.ts';
import { decideOutage } from './outage.ts';
import { decideRollback, oddReading, rollBack } from './rollback.ts';
import { serverlessUnable } from './serverless-unable.ts';
import { bakeTime, leastCalls } from './step-length.ts';
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
  if (isStill(rollout)) return stayPaused(rollout, { verdict });
  // No copy is made while it is paused.
  const spent = unpausedMs(rollout, rollout.since, seen.now);
  const { time } = seen.policy.shadow;
  if (spent < time) {
    return decision('wait', 'shadowing', `${untilText(spent, time, seen.now)}; ${shadowText(seen)}`, {
      verdict,
    });
  }
  if (verdict?.status === 'fail') {
    return { ...rollBack(rollout, seen, 'verdict_fail', failureText(rollout, seen, verdict)), verdict };
  }
  const { shadow } = seen;
  const events = [{ type: 'shadow_ended' as const, verdict, ...(shadow !== null && { shadow }) }];
  return decision('finish_shadow', 'shadowing', shadowText(seen), { events, verdict });
}

function shadowText({ shadow, verdict }: Observation): string {
  if (shadow === null || shadow.sent === 0) return 'no call has been copied yet';
  return evidenceText({ verdict, shadow });
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
  const evidence = evidenceOf(rollout, seen);
  const { verdict, shadow } = evidence;
  const hold = stepHold(rollout, seen, verdict) ?? serverlessHold(rollout, seen) ?? evidenceHold(rollout, evidence);
  const text = [describeNext(rollout, seen), evidenceText(evidence)].filter((part) => part !== '').join('; ');
  const isAutomatic = seen.policy.approval === 'automatic';
  const carryOut = () => advance(rollout, seen, 'approved_by_policy', text, verdict);
  const rest = { ...(shadow !== null && { shadow }), text, isAutomatic, carryOut };
  const question: Question = { about: 'step', step: rollout.step + 1, verdict, ...rest };
  const late = hold === null ? null : overdue(rollout, seen, hold);
  if (late !== null) return { ...late, verdict };
  return ask(rollout, seen, question, hold);
}

/** Holds while the open question stands on other evidence than there is now: it is withdrawn and put again. */
function evidenceHold({ ask: open }: Stopped, evidence: Evidence): Hold | null {
  const changed = isAbout(open, 'step') ? changedText(open, evidence) : null;
  return changed === null ? null : { reason: 'verdict_changed', detail: changed };
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
  if (rollout.step === 0) {
    return verdict?.cause === 'promptTokens' ? ['prompts_differ', withQuestion(rollout, seen, verdict)] : null;
  }
  if (verdict === null) {
    return [
      'gathering',
      ['nothing has been judged yet', silenceText(rollout, seen)].filter((part) => part !== '').join(', '),
    ];
  }
  if (verdict.status === 'unhealthy') return ['unhealthy', verdict.summary];
  const slack = rollout.ask === null ? 1 : OPEN_SLACK;
  const saturated = saturatedHold(rollout, seen, slack);
  if (saturated !== null) return ['saturated', saturated];
  const spent = seen.now - rollout.since;
  const bake = bakeTime(rollout, seen);
  if (spent < bake) return ['baking', `${untilText(spent, bake, seen.now)}; ${verdict.summary}`];
  const minCalls = leastCalls(rollout, seen);
  if (verdict.canaryCalls < minCalls) {
    const silence = silenceText(rollout, seen);
    const rest = silence === '' ? moreText(verdict.canaryCalls, minCalls, spent) : `, ${silence}`;
    const calls = `${verdict.canaryCalls} of ${minCalls} calls on ${sideName(rollout.toward)}${rest}`;
    return ['gathering', `${calls}; ${verdict.summary}`];
  }
  if (verdict.status !== 'pass') {
    const silence = silenceText(rollout, seen);
    return ['gathering', `${silence === '' ? 'the evidence does not suffice yet' : silence}; ${verdict.summary}`];
  }
  const full = capacityHold(rollout, seen, slack);
  return full === null ? null : ['capacity', full];
}

/** How much of a span is over, and when it ends: `2 min of 5 min, until 12:40:00Z`. */
function untilText(spent: number, span: number, now: number): string {
  return `${spanText(spent)} of ${spanText(span)}, until ${momentText(now + span - spent).slice(11)}`;
}

/** Without a call for so long, a step says so. */
const SILENT_MS = 120_000;

/** For how long no call came that counts, if that is long: `no calls for 41 min`; else empty. */
function silenceText(rollout: Stopped, { lastCallAt, now }: Observation): string {
  const silent = now - Math.max(rollout.since, lastCallAt ?? rollout.since);
  return silent < SILENT_MS ? '' : `no calls for ${spanText(silent)}`;
}

/** How long the calls that are missing take at the rate so far; empty if there were none. */
function moreText(calls: number, wanted: number, spent: number): string {
  return calls === 0 ? '' : ` (the rest takes about ${spanText(((wanted - calls) / calls) * spent)} at this rate)`;
}

/**
 * What to do about a step or a rollout that is too old and may still not go on; null if it is not. The time in which it was
 * paused or no change window was open does not count. An open question is withdrawn before.
 */
function overdue(rollout: Stopped, seen: Observation, { reason, detail }: Hold): Decision | null {
  if (isStill(rollout) || isAbout(rollout.ask, 'step')) return null;
  const { stepWithin, rolloutWithin } = seen.policy.limits;
  const isLate = stepMs(rollout, seen.now) > stepWithin;
  const isVeryLate = rolloutMs(rollout, seen.now) > rolloutWithin;
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
