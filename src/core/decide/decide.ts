import { isLive } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { decideBudget } from './budget-guard.ts';
import { withCause } from './cause-of.ts';
import { noteWindow } from './closed.ts';
import { decision } from './decision.ts';
import type { Decision } from './decision.ts';
import { decideDraining } from './draining.ts';
import { freezeOrThaw } from './freeze.ts';
import type { Observation } from './observation.ts';
import { answerRequest } from './operator.ts';
import { decideProposed, decideProvisioning, decideWarming } from './preparing.ts';
import { decidePromoted } from './promoted.ts';
import { decideRollback } from './rollback.ts';
import { decideShadowing, decideStopped } from './stepping.ts';
import { decideWatching } from './watching.ts';
import { decideWayBack } from './way-back.ts';

/**
 * What to do about one route, and why. It is pure: the same rollout and observation always give the same decision. A
 * decision enters at most one step. Doing nothing is a decision with a reason, too.
 */
export function decide(rollout: Rollout | null, seen: Observation): Decision {
  return withCause(decideRoute(rollout, seen));
}

function decideRoute(rollout: Rollout | null, seen: Observation): Decision {
  if (rollout === null) return decideWatching(seen);
  if (rollout.toward === 'serverless') return decideWayBack(rollout, seen);
  const urgent = decideUrgent(rollout, seen);
  if (urgent !== null) return urgent;
  if (seen.request !== null) return answerRequest(rollout, seen, seen.request);
  const next = decideBudget(rollout, seen) ?? freezeOrThaw(rollout, seen) ?? noteWindow(rollout, seen);
  if (next !== null) return next;
  switch (rollout.phase) {
    case 'proposed':
      return decideProposed(rollout, seen);
    case 'provisioning':
      return decideProvisioning(rollout, seen);
    case 'warming':
      return decideWarming(rollout, seen);
    case 'shadowing':
      return decideShadowing(rollout, seen);
    case 'stepping':
    case 'holding':
      return decideStopped(rollout, seen);
    case 'promoted':
      return decidePromoted(rollout, seen);
    case 'draining':
      return decideDraining(rollout, seen);
    case 'aborted':
    case 'failed':
    case 'returned':
      return decision('wait', 'drained', `rollout ${rollout.id} is over: ${rollout.reason}`);
  }
}

/** A rollback comes before the answer to an operator's request, except an abort, which itself is a rollback. */
function decideUrgent(rollout: Rollout, seen: Observation): Decision | null {
  const { request } = seen;
  if (request === null || (request.kind === 'abort' && request.rolloutId === rollout.id)) return null;
  if (!isLive(rollout)) return null;
  const rollback = decideRollback(rollout, seen);
  return rollback?.action === 'roll_back' ? rollback : null;
}
