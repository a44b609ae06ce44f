import { decide } from './decide/decide.ts';
import type { Observation } from './decide/observation.ts';
import type { Rollout } from './rollout/rollout.ts';
import { decideSweep } from './sweep/sweep.ts';
import type { SweepSeen } from './sweep/sweep.ts';

/** Decides a stored observation, or what a sweep has seen of an endpoint, again, offline. The text must equal what was stored. */
export function decideAgain(input: string): string {
  const stored = JSON.parse(input) as { rollout: Rollout | null; observation: Observation } | { sweep: SweepSeen };
  if ('sweep' in stored) return JSON.stringify(decideSweep(stored.sweep));
  const { rollout, observation } = stored;
  return JSON.stringify(decide(rollout, observation));
}
