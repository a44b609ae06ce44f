import type { Rollout } from '../rollout/rollout.ts';
import { beginEffect, decision } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';

/**
 * If the answer to a creation was lost, Hugging Face may still create the endpoint. The endpoint counts as absent only
 * this long after the last attempt to create it, and after this many readings of this process.
 */
const SURE_ABSENT_MS = 120_000;
const SURE_ABSENT_LOOKS = 24;

/** The endpoint gets no new calls: first its running calls end, then the endpoint is paused, then the rollout ends. */
export function decideDraining(rollout: Extract<Rollout, { phase: 'draining' }>, seen: Observation): Decision {
  if (!seen.isDrained) return decision('wait', 'draining', 'calls on the endpoint are ending');
  const { outcome, reason, hint, cause } = rollout;
  const ended = { type: 'ended' as const, outcome, reason, hint, ...(cause !== undefined && { cause }) };
  const end = (detail: string) => decision('end', 'drained', detail, { events: [ended] });
  const { endpoint } = seen;
  const isFresh = endpoint !== null && endpoint.at >= rollout.since && seen.effects.length === 0;
  if (isFresh && endpoint.state === 'paused') return end(`${rollout.endpointName} is paused`);
  if (isFresh && !endpoint.isOurs) return end(`${rollout.endpointName} was not created by upshift and is not changed`);
  if (isFresh && endpoint.state === 'absent' && refusalOf(seen) !== null)
    return end(`${rollout.endpointName} was never created`);
  const tried = Math.max(rollout.since, seen.results.ensure?.at ?? 0);
  if (
    isFresh &&
    endpoint.state === 'absent' &&
    endpoint.badReadings >= SURE_ABSENT_LOOKS &&
    seen.now - tried >= SURE_ABSENT_MS
  ) {
    return end(`${rollout.endpointName} does not exist`);
  }
  const refused = seen.results.pause?.problem;
  if (isFresh && endpoint.state === 'failed' && refused && refused.code === 'invalid') {
    return end(`${rollout.endpointName} has failed and cannot be paused: ${refused.message}`);
  }
  const waiting = decision('wait', 'traffic_first', `${rollout.endpointName} is being paused`);
  if (isFresh && endpoint.state === 'absent') return waiting;
  const pausing = decision(
    'pause_endpoint',
    'traffic_first',
    `pauses ${rollout.endpointName}: no traffic is left on it`,
  );
  return beginEffect(seen, 'pause', pausing, waiting);
}

/**
 * Why Hugging Face refused to create the endpoint; null if it was not asked, has created it, or may have created it.
 */
export function refusalOf(seen: Observation): { readonly message: string; readonly hint: string | null } | null {
  const problem = seen.results.ensure?.problem ?? null;
  const mayPass = problem?.code === 'unavailable' || problem?.code === 'timeout' || problem?.code === 'internal';
  return mayPass ? null : problem;
}
