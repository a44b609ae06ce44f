import type { Decision } from '../../core/decide/decision.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { evolve } from '../../core/rollout/evolve.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';

/** A promoted rollout that a way back has replaced for now. `openAskId`: its ask that stays open meanwhile. */
export interface Replaced {
  readonly rollout: Rollout;
  readonly policy: RoutePolicy;
  readonly openAskId?: number | null;
}

/** The replaced rollout after a decision that may change it. */
export function afterwards(before: Replaced | null, { replaced }: Decision, at: number): Replaced | null {
  if (before === null || replaced === undefined) return before;
  return { ...before, rollout: evolve(before.rollout, replaced.event, at) };
}
