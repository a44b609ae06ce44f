import { faultsText } from '../fault-kind.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { overspending } from './budget-guard.ts';
import { decision } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import type { Observation } from './observation.ts';
import { endpointTrouble } from './rollback.ts';
import { bothFailText, staysText } from './serverless-unable.ts';

/**
 * In a way back: sends all traffic to serverless at once, because the endpoint can no longer serve it or its budget is
 * used up; null if neither is so. If serverless cannot serve it either, the traffic stays where it is.
 */
export function leaveEndpoint(rollout: Rollout, seen: Observation): Decision | null {
  const { phase } = rollout;
  if (phase !== 'proposed' && phase !== 'stepping' && phase !== 'holding') return null;
  const cause = endpointTrouble(rollout, rollout.createdAt, seen) ?? faultsInRow(seen) ?? overBudget(rollout, seen);
  if (cause === null) return null;
  const [reason, detail] = cause;
  const { verdict } = seen;
  const stays = staysText(seen);
  if (stays !== null) return decision('wait', 'stable_unable', `${detail}, but ${stays}`, { verdict });
  const bothFail = reason === 'consecutive_faults' ? bothFailText(seen) : null;
  if (bothFail !== null) return decision('wait', 'both_unhealthy', `${detail}, but ${bothFail}`, { verdict });
  const events = [
    { type: 'draining' as const, outcome: 'returned' as const, reason: `${reason}: ${detail}`, hint: null },
  ];
  return decision('leave_endpoint', reason, detail, { events, verdict });
}

function overBudget(rollout: Rollout, seen: Observation): [Reason, string] | null {
  const cause = overspending(rollout, seen);
  return cause === null ? null : ['over_budget', cause];
}

function faultsInRow({ endpointFaultsInRow: count, endpointFaultRow, policy }: Observation): [Reason, string] | null {
  if (count < policy.limits.consecutiveFaults) return null;
  return ['consecutive_faults', faultsText('the endpoint', count, endpointFaultRow)];
}
