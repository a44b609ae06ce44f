import type { Decision } from '../../core/decide/decision.ts';
import type { Observation } from '../../core/decide/observation.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';

/** A decision to roll back, with the rollout and the observation that it was made on. */
export interface Rollback {
  readonly rollout: Rollout;
  readonly seen: Observation;
  readonly decision: Decision;
}
