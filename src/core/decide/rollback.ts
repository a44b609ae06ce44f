import type { Verdict } from '../judge/verdict.ts';
import { awaySince, maySleep } from '../rollout/detour.ts';
import type { Live, Rollout } from '../rollout/rollout.ts';
import { decision, leave } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { failureText } from './failure-text.ts';
import type { Observation } from './observation.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/** Looks at the endpoint in a row: one that fails its health route once may only be busy. */
const MOST_BAD_READINGS = 3;

const BAD_STATES = {
  failed: 'endpoint_failed',
  updateFailed: 'endpoint_failed',
  paused: 'endpoint_paused',
  scaledToZero: 'endpoint_scaled_to_zero',
  absent: 'endpoint_absent',
} as const;

/** Whether the weight must go back, and whether the other side can take it. Never waits for a person. */
export function decideRollback(rollout: Live, seen: Observation): Decision | null {
  const cause = rollbackCause(rollout, seen);
  if (cause === null) return null;
  const [reason, detail] = cause;
  const { attempts, faults } = seen.stableRecent;
  if (canConnect(seen) && reason === 'consecutive_faults' && attempts >= 5 && faults * 2 >= attempts) {
    return decision('wait', 'both_unhealthy', `${detail}, but serverless fails ${faults} of ${attempts} too: holding`);
  }
  return { ...rollBack(rollout, seen, reason, detail), verdict: seen.verdict };
}

/**
 * Returns all weight to stable: to the endpoint on a way back, else to serverless, unless that refuses connections: then
 * traffic stays where it is.
 */
export function rollBack(rollout: Live, seen: Observation, reason: Reason, detail: string): Decision {
  if (rollout.toward === 'serverless' || canConnect(seen)) return leave(rollout, 'aborted', reason, detail);
  return decision('wait', 'stable_unable', `${detail}, but serverless refuses connections: holding`);
}

/** Whether serverless takes connections. */
export function canConnect({ stableRecent: { attempts, connectFailures } }: Observation): boolean {
  return attempts < 3 || connectFailures < attempts;
}

function rollbackCause(rollout: Live, seen: Observation): [Reason, string] | null {
  const isAway = awaySince(rollout) !== null;
  const isAsleep = seen.endpoint?.state === 'scaledToZero' && maySleep(rollout, seen.policy);
  const trouble = isAsleep ? null : endpointTrouble(rollout.endpointName, rollout.startedAt, seen);
  // An endpoint that is being changed or woken answers nobody.
  if (trouble !== null && !(isAway && trouble[0] === 'endpoint_unhealthy')) return trouble;
  const hasTraffic = (rollout.phase !== 'stepping' || rollout.step > 0) && !isAway;
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

/** What the looks at an endpoint since a time say against it; null where that is nothing. */
export function endpointTrouble(name: string, sinceMs: number, { endpoint }: Observation): [Reason, string] | null {
  if (endpoint === null || endpoint.at < sinceMs) return null;
  if (endpoint.state in BAD_STATES) {
    const reason = BAD_STATES[endpoint.state as keyof typeof BAD_STATES];
    return [reason, `${name} is ${endpoint.state}${endpoint.message ? ` (${endpoint.message})` : ''}`];
  }
  if (endpoint.badReadings < MOST_BAD_READINGS) return null;
  return ['endpoint_unhealthy', `${name} is ${endpoint.state} but not healthy, ${endpoint.badReadings} looks in a row`];
}

/** The verdict on the stop that a rollout stands at; null at step 0, where there is no traffic to judge. */
export function stepVerdict(rollout: Stopped, seen: Observation): Verdict | null {
  return rollout.step === 0 || seen.verdict?.step !== rollout.step ? null : seen.verdict;
}
