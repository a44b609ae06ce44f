import type { Rollout } from '../rollout/rollout.ts';
import { decision } from './decision.ts';
import type { Decision } from './decision.ts';
import { decideDetour } from './detour.ts';
import { decideRescale, decideSleep } from './change-scaling.ts';
import type { Observation } from './observation.ts';
import { decideRollback, oddReading } from './rollback.ts';
import { considerBack } from './way-back-cause.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

/**
 * Decides about a promoted route: a rollback, a detour, a change of the scaling, or the proposal of a way back if the
 * endpoint is no longer worth its price or too slow.
 */
export function decidePromoted(rollout: Promoted, seen: Observation): Decision {
  const urgent = decideRollback(rollout, seen) ?? decideDetour(rollout, seen) ?? decideSleep(rollout, seen);
  if (urgent !== null) return urgent;
  const rescale = decideRescale(rollout, seen);
  if (rescale !== null && rescale.action !== 'wait') return rescale;
  const back = considerBack(rollout, seen);
  // A way back may begin even if nobody answers an open question about the scaling.
  if (back !== null && (rescale === null || isUnderWay(back))) return back;
  const odd = oddReading(rollout, seen);
  if (odd !== null && rescale === null) return decision('wait', ...odd);
  return rescale ?? decision('wait', 'promoted', 'the endpoint serves all eligible calls');
}

function isUnderWay({ action, reason }: Decision): boolean {
  return action !== 'wait' || reason === 'learning';
}
