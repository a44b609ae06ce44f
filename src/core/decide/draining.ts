import type { Rollout } from '../rollout/rollout.ts';
import { beginEffect, decision } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';

/**
 * A creation whose answer was lost may still be carried out: absence is believed only so long after the last attempt,
 * and after so many looks of this process.
 */
const SURE_ABSENT_MS = 120_000;
const SURE_ABSENT_LOOKS = 24;

/** Traffic has gone back: let running calls end, then see to it that the endpoint costs nothing, then close the book. */
export function decideDraining(rollout: Extract<Rollout, { phase: 'draining' }>, seen: Observation): Decision {
  if (!seen.isDrained) return decision('wait', 'draining', 'calls on the endpoint are ending');
  const ended = { type: 'ended' as const, outcome: rollout.outcome, reason: rollout.reason, hint: rollout.hint };
  const end = (detail: string) => decision('end', 'drained', detail, { events: [ended] });
  const { endpoint } = seen;
  const isFresh = endpoint !== null && endpoint.at >= rollout.since && seen.effects.length === 0;
  if (isFresh && endpoint.state === 'paused') return end(`${rollout.endpointName} is paused`);
  if (isFresh && !endpoint.isOurs) return end(`${rollout.endpointName} is not ours and is left alone`);
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

/** Why Hugging Face would not create the endpoint; null where it was not asked, did, or may have. */
export function refusalOf(seen: Observation): { readonly message: string; readonly hint: string | null } | null {
  const problem = seen.results.ensure?.problem ?? null;
  const mayPass = problem?.code === 'unavailable' || problem?.code === 'timeout' || problem?.code === 'internal';
  return mayPass ? null : problem;
}
