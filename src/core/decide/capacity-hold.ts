import { stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { numberText } from '../scaling/propose.ts';
import type { Observation } from './observation.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/**
 * If no limit was seen, the concurrency may grow to this multiple of what was carried well. The default policy's steps
 * rise by no more than this.
 */
const GROWTH = 2.5;
/**
 * An open question is withdrawn only if the expected concurrency exceeds the capacity by this factor, so that the
 * question is not asked and withdrawn again and again. An approval is accepted as long as the question is open.
 */
export const OPEN_SLACK = 1.1;

/**
 * Why the ready replicas cannot be given the next weight; null if they can, or if nothing was measured. If a limit was
 * seen, the p95 of the concurrency must stay within it at the next weight. If none was seen, the mean may grow to 2.5
 * times what was carried well, or by the factor of the policy's longest step if that is more, because the judge still
 * compares the calls. `slack`: a factor on what the replicas can carry.
 */
export function capacityHold(rollout: Stopped, seen: Observation, slack = 1): string | null {
  // In a way back the endpoint only gets fewer calls.
  if (rollout.toward === 'serverless') return null;
  const { concurrency, endpoint, policy } = seen;
  const ready = endpoint?.readyReplica ?? null;
  if (rollout.step === 0 || concurrency == null || concurrency.capacity === null || ready === null) return null;
  const { carried, isLimit } = concurrency.capacity;
  const { steps } = policy;
  const weightAt = (step: number) => stopWeight(step, policy, rollout.toward);
  const isLast = rollout.phase === 'holding';
  const ratio = (isLast ? 1 : weightAt(rollout.step + 1)) / weightAt(rollout.step);
  const longest = Math.max(...steps.slice(1).map((weight, i) => weight / (steps[i] as number)));
  const growth = isLimit ? 1 : Math.max(GROWTH, longest);
  const expected = (isLimit ? concurrency.endpoint.p95 : concurrency.endpoint.mean) * ratio;
  const can = ready * carried;
  if (expected <= can * growth * slack) return null;
  const next = isLast ? 'the promotion' : `step ${rollout.step + 1}`;
  const tried = isLimit ? '' : `, and at most ${numberText(growth)} times that is tried at once`;
  const excess = `${next} would bring ${numberText(expected)} calls at once; ${replicasText(ready)} seen to carry ${numberText(can)}${tried}`;
  const most = policy.endpoint?.maxReplica ?? 1;
  const needed = Math.ceil(expected / (carried * growth));
  const remedy =
    most >= needed ? `waits for ${needed} replicas` : `needs ${needed} replicas: raise endpoint.maxReplica (${most})`;
  return `${excess}; ${remedy}`;
}

function replicasText(replicas: number): string {
  return replicas === 1 ? '1 replica was' : `${replicas} replicas were`;
}
