import type { Decision } from '../../core/decide/decision.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { evolve } from '../../core/rollout/evolve.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';

/** A promoted rollout while a way back has its place. `openAskId`: of a question that waits until then. */
export interface Replaced {
  readonly rollout: Rollout;
  readonly policy: RoutePolicy;
  readonly openAskId?: number | null;
}

/** The promoted rollout behind a way back, after what a decision says of it. */
export function afterwards(before: Replaced | null, { replaced }: Decision, at: number): Replaced | null {
  if (before === null || replaced === undefined) return before;
  return { ...before, rollout: evolve(before.rollout, replaced.event, at) };
}
