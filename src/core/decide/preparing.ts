import { alternativesText, caveatsText } from '../rollout/instances.ts';
import { isStill, unpausedMs } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { priceText, spanText } from '../text.ts';
import { ask, expire, stayPaused, stillText } from './asking.ts';
import type { Question } from './asking.ts';
import { budgetText, overBudget } from './budget-proposal.ts';
import { beginEffect, decision, endpointText, leave } from './decision.ts';
import { closedText } from './closed.ts';
import type { Decision } from './decision.ts';
import { isDenied, isDeniedForLong, lastStateText, SCOPE_HINT } from './health-text.ts';
import { decideLeaving, leaveInstance } from './next-instance.ts';
import { FOREIGN_HINT, foreignText, movedText } from './address-text.ts';
import { refusalOf } from './draining.ts';
import type { Observation } from './observation.ts';

type In<P extends Rollout['phase']> = Extract<Rollout, { phase: P }>;

export function decideProposed(rollout: In<'proposed'>, seen: Observation): Decision {
  const price = rollout.pricePerHourMicros;
  const over = overBudget(seen, price);
  const expired = expire(rollout, seen, isStill(rollout) ? stillText(rollout) : over);
  if (expired !== null) return expired;
  const what = `${endpointText(seen, rollout)} at ${priceText(price)}${alternativesText(rollout)}${budgetText(seen, price)}${caveatsText(rollout)}`;
  const isAutomatic = seen.policy.approval === 'automatic';
  // Else it would be bought when the next window opens, on figures of before. There is a new one then if the criteria hold.
  if (isAutomatic && seen.closed !== undefined && !isStill(rollout)) {
    const detail = `not begun before the change window closed: ${over ?? closedText(seen.closed, seen.now)}`;
    return leave(rollout, 'aborted', 'proposal_expired', detail);
  }
  const question: Question = {
    about: 'step',
    step: 0,
    verdict: null,
    text: `create ${what}`,
    isAutomatic,
    carryOut: () => decision('provision', 'approved_by_policy', what, { events: [{ type: 'provisioning_started' }] }),
  };
  return ask(rollout, seen, question, over === null ? null : { reason: 'over_budget', detail: over });
}

export function decideProvisioning(rollout: In<'provisioning'>, seen: Observation): Decision {
  const { endpoint } = seen;
  if (rollout.isLeaving === true) return decideLeaving(rollout, seen);
  const stop = leaveInstance(rollout, seen) ?? badState(rollout, seen);
  if (stop !== null) return stop;
  if (endpoint?.state === 'running' && endpoint.url !== null && endpoint.isHealthy && !isStill(rollout)) {
    const events = [{ type: 'endpoint_ready' as const, url: endpoint.url }];
    return decision('start_warming', 'endpoint_ready', `${rollout.endpointName} is running and healthy`, { events });
  }
  const late = provisionTimeout(rollout, seen);
  if (late !== null) return late;
  const refused = refusalOf(seen);
  if (refused !== null) {
    return leave(rollout, 'failed', 'provision_refused', refused.message, refused.hint);
  }
  const exists = endpoint !== null && endpoint.state !== 'absent';
  if (exists && !rollout.isMade) {
    const events = [{ type: 'endpoint_made' as const, state: endpoint.state }];
    return decision('note_endpoint', 'endpoint_starting', `${rollout.endpointName} is ${endpoint.state}`, { events });
  }
  if (isStill(rollout)) return stayPaused(rollout);
  if (!exists) {
    const creating = decision('ensure_endpoint', 'endpoint_missing', `creates or adopts ${rollout.endpointName}`);
    const waiting = decision('wait', 'endpoint_missing', `${rollout.endpointName} is being created`);
    return beginEffect(seen, 'ensure', creating, waiting);
  }
  const reason = isDenied(endpoint) ? 'endpoint_forbidden' : 'endpoint_starting';
  return decision('wait', reason, lastStateText(rollout.endpointName, endpoint));
}

export function decideWarming(rollout: In<'warming'>, seen: Observation): Decision {
  const stop = badState(rollout, seen) ?? provisionTimeout(rollout, seen);
  if (stop !== null) return stop;
  if (isStill(rollout)) return stayPaused(rollout);
  const result = seen.results.warm;
  if (result?.warmed !== undefined && result.at >= rollout.since) {
    const next = seen.policy.shadow.share > 0 ? ('shadowing' as const) : ('stepping' as const);
    const events = [{ type: 'warmed' as const, ...result.warmed, next }];
    return decision('finish_warming', 'warmed', `the endpoint answers ${result.warmed.endpoint.shapes.join(', ')}`, {
      events,
    });
  }
  const warming = decision('warm', 'warming_up', 'makes warm-up calls with the inference client');
  return beginEffect(seen, 'warm', warming, decision('wait', 'warming_up', 'warm-up calls are being made'));
}

function provisionTimeout(rollout: In<'provisioning' | 'warming'>, seen: Observation): Decision | null {
  const limit = seen.policy.limits.provisionWithin;
  if (unpausedMs(rollout, rollout.startedAt, seen.now) <= limit) return null;
  const last = seen.results.warm?.problem ?? seen.results.ensure?.problem ?? null;
  const state = lastStateText(rollout.endpointName, seen.endpoint);
  const problem = last === null ? '' : `; last problem: ${last.message}`;
  const message = `not ready within ${spanText(limit)}: ${state}${problem}`;
  return leave(
    rollout,
    'failed',
    'provision_timeout',
    message,
    last?.hint ?? 'read its logs at Hugging Face; raise limits.provisionWithin or choose another instance',
  );
}

/** Fails the rollout if the endpoint cannot serve: it is not upshift's, or it failed, was paused or was deleted. */
function badState(rollout: In<'provisioning' | 'warming'>, seen: Observation): Decision | null {
  const { endpoint } = seen;
  if (endpoint === null || endpoint.at < rollout.startedAt) return null;
  if (!endpoint.isOurs) {
    const hint =
      'upshift does not change it; rename or delete it, or wait for the next proposal, which uses another name';
    return leave(
      rollout,
      'failed',
      'endpoint_not_ours',
      `${rollout.endpointName} exists, but upshift did not create it`,
      hint,
    );
  }
  if (endpoint.foreignUrl !== undefined) {
    return leave(
      rollout,
      'failed',
      'endpoint_url_refused',
      foreignText(rollout.endpointName, endpoint.foreignUrl),
      FOREIGN_HINT,
    );
  }
  if (rollout.phase === 'warming' && endpoint.url !== null && endpoint.url !== rollout.url) {
    return leave(rollout, 'failed', 'endpoint_moved', movedText(rollout.endpointName, endpoint.url));
  }
  if (endpoint.state === 'failed' || endpoint.state === 'updateFailed') {
    const hint = 'read its logs at Hugging Face; the usual cause is too little memory or capacity';
    return leave(rollout, 'failed', 'endpoint_failed', endpoint.message ?? 'the endpoint failed', hint);
  }
  if (endpoint.state === 'paused') {
    return leave(rollout, 'failed', 'endpoint_paused', 'the endpoint was paused while it was being prepared');
  }
  if (isDeniedForLong(endpoint, seen.now)) {
    return leave(rollout, 'failed', 'endpoint_forbidden', lastStateText(rollout.endpointName, endpoint), SCOPE_HINT);
  }
  if (endpoint.state === 'absent' && (rollout.phase === 'warming' || rollout.isMade)) {
    return leave(rollout, 'failed', 'endpoint_absent', 'the endpoint was deleted while it was being prepared');
  }
  return null;
}
