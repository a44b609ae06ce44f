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
  if (rollout.toward === 'serverless' || isExpected(rollout, seen)) return null;
  const { concurrency, endpoint, policy } = seen;
  const ready = endpoint?.readyReplica ?? null;
  if (rollout.step === 0 || concurrency == null || concurrency.capacity === null || ready === null) return null;
  const { isLimit, mayCarry } = concurrency.capacity;
  const carried = mayCarry ?? concurrency.capacity.carried;
  const { steps } = policy;
  const weightAt = (step: number) => stopWeight(step, policy, rollout.toward);
  const isLast = rollout.phase === 'holding';
  const ratio = (isLast ? 1 : weightAt(rollout.step + 1)) / weightAt(rollout.step);
  const longest = Math.max(...steps.slice(1).map((weight, i) => weight / (steps[i] as number)));
  const growth = isLimit ? 1 : Math.max(GROWTH, longest);
  const expected = (isLimit ? concurrency.endpoint.p95 : concurrency.endpoint.mean) * ratio;
  // Without an answer that took too long, nobody knows better than the endpoint how many calls it takes.
  const can = Math.max(ready * carried, mayCarry === undefined ? (seen.endpointFullAt ?? 0) : 0);
  if (expected <= can * growth * slack) return null;
  const next = isLast ? 'the promotion' : `step ${rollout.step + 1}`;
  const tried = isLimit ? '' : `, and at most ${numberText(growth)} times that is tried at once`;
  const excess = `${next} would bring ${numberText(expected)} calls at once; ${replicasText(ready)} seen to carry ${numberText(can)}${tried}`;
  const each = ready === 0 ? carried : can / ready;
  return `${excess}; ${remedyText(Math.ceil(expected / (each * growth)), seen)}`;
}

/**
 * Why the present weight brings the endpoint more calls at once than it takes; null if it does not, or if the endpoint has
 * never said that it is full. That is a finding about its size, and none about the quality of its answers. `slack`: a
 * factor on what it takes.
 */
export function saturatedHold(rollout: Stopped, seen: Observation, slack = 1): string | null {
  const { concurrency, endpoint, endpointFullAt: fullAt, policy } = seen;
  if (rollout.toward === 'serverless' || isExpected(rollout, seen)) return null;
  if (rollout.step === 0 || concurrency === undefined || fullAt === undefined) return null;
  const planned = concurrency.route.p95 * stopWeight(rollout.step, policy, rollout.toward);
  if (planned <= fullAt * slack) return null;
  const ready = Math.max(1, endpoint?.readyReplica ?? 1);
  const needed = Math.ceil((planned * ready) / fullAt);
  return `carries ${numberText(fullAt)} calls at once, the step brings ${numberText(planned)}; ${remedyText(needed, seen)}`;
}

/** Whoever approved a proposal that said how much would overflow has approved an endpoint that is too small. */
function isExpected({ instance }: Stopped, { policy }: Observation): boolean {
  return policy.overflow.enabled && (instance.overflowShare ?? 0) > 0;
}

function remedyText(needed: number, { policy }: Observation): string {
  const most = policy.endpoint?.maxReplica ?? 1;
  return most >= needed
    ? `waits for ${needed} replicas`
    : `needs ${needed} replicas: raise endpoint.maxReplica (${most})`;
}

function replicasText(replicas: number): string {
  return replicas === 1 ? '1 replica was' : `${replicas} replicas were`;
}
