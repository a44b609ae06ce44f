import type { Verdict } from '../judge/verdict.ts';
import { faultsText } from '../fault-kind.ts';
import { awaySince, maySleep } from '../rollout/detour.ts';
import { endpointOf } from '../rollout/rollout.ts';
import type { Live, Rollout } from '../rollout/rollout.ts';
import { foreignText, movedText } from './address-text.ts';
import { decision, leave } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import { failureText } from './failure-text.ts';
import { healthText, isDenied } from './health-text.ts';
import type { EndpointSeen, Observation } from './observation.ts';
import { bothFailText, serverlessUnable, staysText } from './serverless-unable.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/** This many bad readings in a row cause a rollback. After fewer, the endpoint may only be busy. */
const MOST_BAD_READINGS = 3;

/** An answer of the endpoint speaks for it for so long. */
const ANSWERED_MS = 60_000;

const BAD_STATES = {
  failed: 'endpoint_failed',
  updateFailed: 'endpoint_failed',
  paused: 'endpoint_paused',
  scaledToZero: 'endpoint_scaled_to_zero',
  absent: 'endpoint_absent',
} as const;

/** What a reading says of an endpoint that runs. */
const NO_ANSWER: ReadonlySet<Reason> = new Set(['endpoint_unhealthy', 'endpoint_forbidden']);

/**
 * Rolls back if it must be, or waits if serverless fails too or can take no traffic; null if there is no cause. It never
 * waits for an operator.
 */
export function decideRollback(rollout: Live, seen: Observation): Decision | null {
  const cause = rollbackCause(rollout, seen);
  if (cause === null) return null;
  const [reason, detail] = cause;
  const bothFail = reason === 'consecutive_faults' && serverlessUnable(seen) === null ? bothFailText(seen) : null;
  if (bothFail !== null) return decision('wait', 'both_unhealthy', `${detail}, but ${bothFail}`);
  return { ...rollBack(rollout, seen, reason, detail), verdict: seen.verdict };
}

/**
 * Rolls back: all traffic returns to the stable upstream, which is the endpoint in a way back and else serverless. If
 * it is serverless and can take no traffic, the traffic stays where it is.
 */
export function rollBack(rollout: Live, seen: Observation, reason: Reason, detail: string): Decision {
  const stays = rollout.toward === 'serverless' ? null : staysText(seen);
  if (stays === null) return leave(rollout, 'aborted', reason, detail);
  return decision('wait', 'stable_unable', `${detail}, but ${stays}`);
}

function rollbackCause(rollout: Live, seen: Observation): [Reason, string] | null {
  const isAway = awaySince(rollout) !== null;
  const isAsleep = seen.endpoint?.state === 'scaledToZero' && maySleep(rollout, seen.policy);
  const trouble = isAsleep ? null : endpointTrouble(rollout, rollout.startedAt, seen);
  // While an endpoint is being changed or woken, it answers no calls, so it may be unhealthy.
  if (trouble !== null && !(isAway && NO_ANSWER.has(trouble[0]))) return trouble;
  const hasTraffic = (rollout.phase !== 'stepping' || rollout.step > 0) && !isAway;
  if (hasTraffic && seen.canaryFaultsInRow >= seen.policy.limits.consecutiveFaults) {
    const { canaryFaultsInRow: count, canaryFaultRow: row } = seen;
    return ['consecutive_faults', faultsText('the endpoint', count, row)];
  }
  if (rollout.phase === 'stepping' || rollout.phase === 'holding') {
    // The last copies may end after the shadow stage. If the verdict fails then, the first step must not be entered.
    const verdict = rollout.step === 0 ? seen.verdict : stepVerdict(rollout, seen);
    if (verdict?.status === 'fail') return ['verdict_fail', failureText(rollout, seen, verdict)];
  }
  return null;
}

/**
 * The reason to leave an endpoint, by its last reading, with a sentence for people. Null if there is none, if the
 * reading is older than `sinceMs`, or if the endpoint answers calls whatever the reading says.
 */
export function endpointTrouble(rollout: Rollout, sinceMs: number, seen: Observation): [Reason, string] | null {
  const { endpoint } = seen;
  if (endpoint === null || endpoint.at < sinceMs) return null;
  const { endpointName: name } = rollout;
  if (endpoint.foreignUrl !== undefined) return ['endpoint_url_refused', foreignText(name, endpoint.foreignUrl)];
  const known = endpointOf(rollout);
  if (known !== null && endpoint.url !== null && endpoint.url !== known.url) {
    return ['endpoint_moved', movedText(name, endpoint.url)];
  }
  return answersCalls(rollout, seen, endpoint) ? null : badReading(rollout, endpoint);
}

/**
 * What the last reading says against an endpoint that keeps its calls all the same, so that no weight is raised; null if there
 * is nothing.
 */
export function oddReading(rollout: Rollout, seen: Observation): [Reason, string] | null {
  const { endpoint } = seen;
  if (endpoint === null) return null;
  if (answersCalls(rollout, seen, endpoint)) {
    const bad = badReading(rollout, { ...endpoint, badReadings: MOST_BAD_READINGS });
    return bad !== null && endpoint.badReadings > 0 ? [bad[0], `${bad[1]}, but it answers calls`] : null;
  }
  if (endpoint.state !== 'absent' || badReading(rollout, endpoint) !== null) return null;
  return ['endpoint_absent', `${rollout.endpointName} is absent in ${endpoint.badReadings} readings in a row so far`];
}

/**
 * Whether calls say more about the endpoint than its reading does: it answered one lately, and either nothing has failed
 * since, or the state is not there for long. A state that means an end is believed at once.
 */
function answersCalls(rollout: Rollout, seen: Observation, { state, badReadings }: EndpointSeen): boolean {
  const { endpointAnsweredAt: at, now } = seen;
  if (at === undefined || now - at > ANSWERED_MS || (state in BAD_STATES && state !== 'absent')) return false;
  const faults = rollout.toward === 'serverless' ? seen.endpointFaultsInRow : seen.canaryFaultsInRow;
  return faults === 0 || badReadings < MOST_BAD_READINGS;
}

function badReading({ endpointName: name }: Rollout, endpoint: EndpointSeen): [Reason, string] | null {
  const { state, message, badReadings } = endpoint;
  const isSeldomMissing = state === 'absent' && badReadings < MOST_BAD_READINGS;
  if (state in BAD_STATES && !isSeldomMissing) {
    return [BAD_STATES[state as keyof typeof BAD_STATES], `${name} is ${state}${message ? ` (${message})` : ''}`];
  }
  if (badReadings < MOST_BAD_READINGS) return null;
  const health = healthText(endpoint);
  const detail = `${name} is ${state} but not healthy, ${badReadings} readings in a row${health === null ? '' : `: ${health}`}`;
  return [isDenied(endpoint) ? 'endpoint_forbidden' : 'endpoint_unhealthy', detail];
}

/** The verdict on the rollout's present step; null at step 0, because it has no traffic, or if there is none yet. */
export function stepVerdict(rollout: Stopped, seen: Observation): Verdict | null {
  return rollout.step === 0 || seen.verdict?.step !== rollout.step ? null : seen.verdict;
}
