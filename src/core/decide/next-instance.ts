import { notToBeHad } from '../endpoint-failure.ts';
import { attemptName } from '../rollout/instances.ts';
import type { LeftFor } from '../rollout/instances.ts';
import { isStill, unpausedMs } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { offerText } from '../sizing/offer.ts';
import { priceText, spanText } from '../text.ts';
import { stayPaused } from './asking.ts';
import { overBudget } from './budget-proposal.ts';
import { beginEffect, decision, leave } from './decision.ts';
import type { Decision } from './decision.ts';
import { refusalOf } from './draining.ts';
import type { Observation } from './observation.ts';

type Provisioning = Extract<Rollout, { phase: 'provisioning' }>;

/** Why an instance cannot be had, and in words what says so. */
interface Lack {
  readonly cause: LeftFor;
  readonly message: string;
  readonly hint: string | null;
}

const HINT = 'choose another instance, list several in endpoint.instances, or ask Hugging Face for quota';

/**
 * Leaves an instance that cannot be had: for the next one that the approval covers, else the rollout fails. Null if
 * nothing says that it cannot be had.
 */
export function leaveInstance(rollout: Provisioning, seen: Observation): Decision | null {
  const lack = lackOf(rollout, seen);
  if (lack === null || seen.effects.includes('ensure')) return null;
  const { cause, message } = lack;
  const instance = offerText(rollout.instance);
  const left = { type: 'instance_left' as const, instance, cause, message };
  if (rollout.alternatives === undefined) {
    const failed = leave(rollout, 'failed', cause, `${instance}: ${message}`, lack.hint ?? HINT);
    return { ...failed, events: [left, ...failed.events] };
  }
  const detail = `${instance}: ${message}; ${rollout.endpointName} is deleted, and the next instance is tried`;
  return { ...decision('leave_instance', cause, detail, { events: [left] }), effect: deletion(seen) };
}

function deletion({ effects }: Observation): 'delete' | null {
  return effects.includes('delete') ? null : 'delete';
}

/** What says that the instance cannot be had: a failed endpoint, a refused creation, or a wait without a machine. */
function lackOf(rollout: Provisioning, seen: Observation): Lack | null {
  const { endpoint } = seen;
  const refused = refusalOf(seen);
  if (refused !== null) {
    const cause = notToBeHad(refused.message);
    return cause === null ? null : { cause, ...refused };
  }
  if (endpoint === null || endpoint.at < rollout.startedAt || !endpoint.isOurs) return null;
  const message = endpoint.message ?? '';
  if (endpoint.state === 'failed' || endpoint.state === 'updateFailed') {
    const cause = notToBeHad(message);
    return cause === null ? null : { cause, message, hint: null };
  }
  const limit = seen.policy.limits.provisionWithin;
  if (endpoint.state !== 'pending' || unpausedMs(rollout, rollout.startedAt, seen.now) <= limit) return null;
  const waited = `no machine within ${spanText(limit)}${message === '' ? '' : `: ${message}`}`;
  return { cause: 'capacity_exhausted', message: waited, hint: null };
}

/**
 * While an instance is being left: first its endpoint is deleted. Only when a later reading shows that it is gone, the
 * next instance is tried.
 */
export function decideLeaving(rollout: Provisioning, seen: Observation): Decision {
  const { endpoint } = seen;
  const cause = rollout.left?.at(-1)?.cause ?? 'capacity_exhausted';
  const name = rollout.endpointName;
  const isFresh = endpoint !== null && endpoint.at >= rollout.since && seen.effects.length === 0;
  if (isFresh && !endpoint.isOurs) {
    return leave(rollout, 'failed', 'endpoint_not_ours', `${name} exists, but upshift did not create it`);
  }
  if (!isFresh || endpoint.state !== 'absent') {
    const limit = seen.policy.limits.provisionWithin;
    if (unpausedMs(rollout, rollout.since, seen.now) > limit) {
      return leave(rollout, 'failed', 'provision_timeout', `${name} could not be deleted within ${spanText(limit)}`);
    }
    const deleting = decision('leave_instance', cause, `deletes ${name}`);
    const waiting = decision('wait', cause, `${name} is being deleted`);
    return beginEffect(seen, 'delete', deleting, waiting);
  }
  if (isStill(rollout)) return stayPaused(rollout);
  return tryNext(rollout, seen, cause);
}

function tryNext(rollout: Provisioning, seen: Observation, cause: LeftFor): Decision {
  const { alternatives = [], left = [], id } = rollout;
  const next = alternatives.find((one) => overBudget(seen, one.pricePerHourMicros, rollout) === null);
  if (next === undefined) {
    const over = overBudget(seen, alternatives[0]?.pricePerHourMicros ?? 0, rollout);
    // After a restart. Nothing costs money meanwhile.
    if (over !== null && seen.spending === null) return decision('wait', cause, over);
    return leave(rollout, 'failed', cause, over ?? 'no instance is left to try', HINT);
  }
  const attempt = left.length + 1;
  const event = {
    type: 'instance_next' as const,
    endpointName: attemptName(left[0]?.endpointName ?? rollout.endpointName, id, attempt),
    ...next,
  };
  const price = priceText(next.pricePerHourMicros);
  const detail = `tries ${offerText(next.instance)} at ${price} (${attempt} of ${left.length + alternatives.length}), under the same approval`;
  return decision('next_instance', cause, detail, { events: [event] });
}
