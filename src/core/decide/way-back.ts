import { faultsText } from '../fault-kind.ts';
import { isStill } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { ask, expire, stillText } from './asking.ts';
import { budgetWord } from './budget-guard.ts';
import { decision } from './decision.ts';
import type { Decision } from './decision.ts';
import { decideDraining } from './draining.ts';
import { failureText } from './failure-text.ts';
import { freezeOrThaw } from './freeze.ts';
import { leaveEndpoint } from './lost-endpoint.ts';
import type { Observation } from './observation.ts';
import { answerRequest } from './operator.ts';
import { rollBack, stepVerdict } from './rollback.ts';
import { advance, decideStep, serverlessHold } from './stepping.ts';
import { forecastText, stepBackText } from './way-back-cause.ts';

/**
 * Decides about a rollout toward serverless, in which the endpoint is stable and serverless is the canary. If
 * serverless is not good enough, all traffic returns to the endpoint, which is promoted as before. If the endpoint is
 * lost, all traffic goes to serverless at once, and both rollouts end.
 */
export function decideWayBack(rollout: Rollout, seen: Observation): Decision {
  const { request } = seen;
  const lost = leaveEndpoint(rollout, seen);
  if (lost !== null && (request === null || lost.action === 'leave_endpoint')) return lost;
  const isOwnAbort = request?.kind === 'abort' && request.rolloutId === rollout.id;
  const returned = lost === null && !isOwnAbort ? keepEndpoint(rollout, seen) : null;
  if (returned !== null) return returned;
  if (request !== null) return noteForBoth(rollout, answerRequest(rollout, seen, request));
  const word = budgetWord(rollout, seen);
  if (word !== null) return noteForBoth(rollout, word);
  const freeze = freezeOrThaw(rollout, seen);
  if (freeze !== null) return freeze;
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

/** Rolls back if serverless is not good enough, so that the endpoint gets all calls again; null if it need not. */
function keepEndpoint(rollout: Rollout, seen: Observation): Decision | null {
  if (rollout.phase !== 'stepping' && rollout.phase !== 'holding') return null;
  const { verdict } = seen;
  if (seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults) {
    const faults = faultsText('serverless', seen.canaryFaultsInRow, seen.canaryFaultRow);
    return { ...rollBack(rollout, seen, 'consecutive_faults', faults), verdict };
  }
  const found = stepVerdict(rollout, seen);
  if (found?.status !== 'fail') return null;
  return { ...rollBack(rollout, seen, 'verdict_fail', failureText(rollout, seen, found)), verdict };
}

function decideProposed(rollout: Extract<Rollout, { phase: 'proposed' }>, seen: Observation): Decision {
  const forecast = seen.back == null ? '' : `; ${forecastText(seen.back)}`;
  const text = stepBackText(1, seen) + forecast;
  const hold = serverlessHold(rollout, seen);
  // While a proposal is open, the promoted rollout's scaling cannot follow its concurrency. So the proposal must
  // expire.
  const expired = expire(rollout, seen, isStill(rollout) ? stillText(rollout) : (hold?.detail ?? null));
  if (expired !== null) return expired;
  const isAutomatic = seen.policy.approval === 'automatic';
  const carryOut = () => advance(rollout, seen, 'approved_by_policy', text, null);
  return ask(rollout, seen, { about: 'step', step: 1, verdict: null, text, isAutomatic, carryOut }, hold);
}

/**
 * Stores a budget's warning or extension for the promoted rollout, too, because the same endpoint continues under it if
 * the way back does not succeed.
 */
function noteForBoth({ wayBack }: Rollout, decided: Decision): Decision {
  const event = decided.events.find(({ type }) => type === 'budget_warned' || type === 'budget_extended');
  if (event === undefined || wayBack === undefined) return decided;
  return { ...decided, replaced: { rolloutId: wayBack.replaces, event } };
}

/** When the way back ends, the promoted rollout that it replaces ends in the same decision. */
function endBoth({ id, wayBack }: Rollout, decided: Decision): Decision {
  if (decided.action !== 'end' || wayBack === undefined) return decided;
  const reason = `rollout ${id} has moved all calls back to serverless`;
  const event = { type: 'ended' as const, outcome: 'returned' as const, reason, hint: null };
  return { ...decided, replaced: { rolloutId: wayBack.replaces, event } };
}
