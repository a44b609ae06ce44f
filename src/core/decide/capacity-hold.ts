import { stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { numberText } from '../scaling/propose.ts';
import type { Observation } from './observation.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/** As long as no limit was seen: so many times what was carried well may be tried. The default's steps rise by no more. */
const GROWTH = 2.5;
/**
 * A question that is open is withdrawn only where it is too much by this factor, so that it does not come and go; as long as
 * it is open a yes is taken.
 */
export const OPEN_SLACK = 1.1;

/**
 * Why the ready replicas cannot be given the next weight; null where they can, or nothing was measured. Where a limit was
 * seen, the busiest twentieth of the time (p95) must stay within it at the next weight. Where none was, the mean may grow to
 * 2.5 times what was carried well, or by as much as the policy's own longest step: the judge guards. `slack`: a factor on
 * what they can carry.
 */
export function capacityHold(rollout: Stopped, seen: Observation, slack = 1): string | null {
  // On a way back the endpoint only gets less.
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
  const told = `${next} would bring ${numberText(expected)} calls at once; ${replicasText(ready)} seen to carry ${numberText(can)}${tried}`;
  const most = policy.endpoint?.maxReplica ?? 1;
  const needed = Math.ceil(expected / (carried * growth));
  const remedy =
    most >= needed ? `waits for ${needed} replicas` : `needs ${needed} replicas: raise endpoint.maxReplica (${most})`;
  return `${told}; ${remedy}`;
}

function replicasText(replicas: number): string {
  return replicas === 1 ? '1 replica was' : `${replicas} replicas were`;
}
