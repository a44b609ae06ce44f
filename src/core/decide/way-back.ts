import { askText, isAbout } from '../rollout/ask.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { budgetWord } from './budget-guard.ts';
import { decision, leave } from './decision.ts';
import type { Decision } from './decision.ts';
import { decideDraining } from './draining.ts';
import { failureText } from './failure-text.ts';
import { leaveEndpoint } from './lost-endpoint.ts';
import type { Observation } from './observation.ts';
import { answerRequest } from './operator.ts';
import { rollBack, stepVerdict } from './rollback.ts';
import { advance, decideStep, serverlessHold } from './stepping.ts';
import { forecastText, stepBackText } from './way-back-cause.ts';

/**
 * A rollout toward serverless: the endpoint is stable, serverless the canary. Where serverless is not good enough the
 * weight returns to the endpoint, which is promoted as before; where the endpoint itself is lost, all goes to serverless
 * at once, and that is the end of both rollouts.
 */
export function decideWayBack(rollout: Rollout, seen: Observation): Decision {
  const { request } = seen;
  const lost = leaveEndpoint(rollout, seen);
  if (lost !== null && (request === null || lost.action === 'leave_endpoint')) return lost;
  const isOwnAbort = request?.kind === 'abort' && request.rolloutId === rollout.id;
  const returned = lost === null && !isOwnAbort ? keepEndpoint(rollout, seen) : null;
  if (returned !== null) return returned;
  if (request !== null) {
    const answer = answerRequest(rollout, seen, request);
    if (answer !== null) return tellBoth(rollout, answer);
  }
  const word = budgetWord(rollout, seen);
  if (word !== null) return tellBoth(rollout, word);
  switch (rollout.phase) {
    case 'proposed':
      return decideProposed(rollout, seen);
    case 'stepping':
    case 'holding':
      return decideStep(rollout, seen);
    case 'draining':
      return endBoth(rollout, decideDraining(rollout, seen));
    case 'aborted':
    case 'failed':
    case 'returned':
      return decision('wait', 'drained', `rollout ${rollout.id} is over: ${rollout.reason}`);
    default:
      throw new Error(`a way back is never ${rollout.phase}`);
  }
}

/** Serverless is not good enough: the endpoint gets all of its calls again. */
function keepEndpoint(rollout: Rollout, seen: Observation): Decision | null {
  if (rollout.phase !== 'stepping' && rollout.phase !== 'holding') return null;
  const { verdict } = seen;
  if (seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults) {
    const told = `${seen.canaryFaultsInRow} faults of serverless in a row`;
    return { ...rollBack(rollout, seen, 'consecutive_faults', told), verdict };
  }
  const found = stepVerdict(rollout, seen);
  if (found?.status !== 'fail') return null;
  return { ...rollBack(rollout, seen, 'verdict_fail', failureText(rollout, seen, found)), verdict };
}

function decideProposed(rollout: Extract<Rollout, { phase: 'proposed' }>, seen: Observation): Decision {
  const forecast = seen.back == null ? '' : `; ${forecastText(seen.back)}`;
  const what = stepBackText(1, seen) + forecast;
  const { proposalOpen } = seen.policy.limits;
  const hold = serverlessHold(rollout, seen);
  const isOld = seen.now - rollout.since > proposalOpen;
  // What is held meanwhile keeps the promoted rollout behind it from following its load.
  if (isOld && (seen.policy.approval === 'manual' || hold !== null)) {
    const why = hold === null ? 'nobody answered' : `not begun, since ${hold[1]},`;
    return leave(rollout, 'aborted', 'proposal_expired', `${why} in ${spanText(proposalOpen)}`);
  }
  if (hold !== null) {
    const [why, told] = hold;
    if (!isAbout(rollout.ask, 'step')) return decision('wait', why, told);
    const events = [{ type: 'ask_withdrawn' as const, step: rollout.ask.step, reason: told }];
    return decision('withdraw_ask', why, told, { events });
  }
  if (rollout.isPaused) return decision('wait', 'paused', 'paused by an operator');
  if (seen.policy.approval === 'automatic') {
    const approved = { type: 'approved' as const, step: 1, by: 'policy', reason: null };
    const entered = advance(rollout, seen, 'approved_by_policy', what, null);
    return { ...entered, events: [approved, ...entered.events] };
  }
  if (rollout.ask === null) {
    return decision('ask', 'needs_approval', what, { events: [{ type: 'asked', step: 1, verdict: null }] });
  }
  const first = isAbout(rollout.ask, 'step') ? '' : `first ${askText(rollout.ask)}; then `;
  return decision('wait', 'awaiting_approval', `${first}${what}`);
}

/**
 * What is said and granted of a budget on the way holds for the promoted rollout, too: where the way back comes to nothing,
 * the same endpoint goes on under it.
 */
function tellBoth({ wayBack }: Rollout, decided: Decision): Decision {
  const event = decided.events.find(({ type }) => type === 'budget_warned' || type === 'budget_extended');
  if (event === undefined || wayBack === undefined) return decided;
  return { ...decided, replaced: { rolloutId: wayBack.replaces, event } };
}

/** With the way back the promoted rollout that it replaces is over, too: nothing is left that a restart could take up. */
function endBoth({ id, wayBack }: Rollout, decided: Decision): Decision {
  if (decided.action !== 'end' || wayBack === undefined) return decided;
  const reason = `rollout ${id} has brought its calls back to serverless`;
  const event = { type: 'ended' as const, outcome: 'returned' as const, reason, hint: null };
  return { ...decided, replaced: { rolloutId: wayBack.replaces, event } };
}
