import { isOver } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { decision } from './decision.ts';
import type { Decision } from './decision.ts';
import { frozenText } from './holds.ts';
import type { Observation } from './observation.ts';

/** Notes in the rollout that all routes were frozen or thawed, so that no deadline runs meanwhile; null if it is noted. */
export function freezeOrThaw(rollout: Rollout, { frozen }: Observation): Decision | null {
  if (rollout.phase === 'draining' || isOver(rollout.phase)) return null;
  const isNoted = rollout.isFrozen === true;
  if ((frozen !== undefined) === isNoted) return null;
  if (frozen === undefined) {
    return decision('thaw', 'operator', 'all routes may move again', { events: [{ type: 'thawed' }] });
  }
  const { by, reason } = frozen;
  return decision('freeze', 'frozen', frozenText(frozen), { events: [{ type: 'frozen', by, reason }] });
}
