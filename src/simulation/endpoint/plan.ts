import type { EndpointState } from '../../core/endpoint-state.ts';
import type { World } from '../world.ts';
import type { Change } from './life.ts';
import type { EndpointSpec } from './spec.ts';

const READY = 'Endpoint is ready';
export const NO_CAPACITY = 'Scheduling failure: not enough hardware capacity';
const RENTED: ReadonlySet<EndpointState> = new Set(['initializing', 'updating', 'running']);

/** A state from `at` on, with its replicas (by default those that always run) and their cost. */
export function changeTo(
  { scaling, compute }: EndpointSpec,
  at: number,
  state: EndpointState,
  message: string,
  most = Math.max(1, scaling.minReplica),
): Change {
  const replicas = RENTED.has(state) ? most : 0;
  const rate = Math.round(compute.pricePerHour * 1_000_000);
  return { at, state, message, replicas, microDollarsPerHour: rate * replicas };
}

/** The plan of an endpoint that starts now: it waits for a machine, loads, and runs; or it fails. */
export function startPlan(world: World, spec: EndpointSpec, now: number): Change[] {
  const { limits, faults } = world;
  const scheduledAt = now + limits.pendingMs;
  const runningAt = scheduledAt + limits.initializingMs;
  const pending = changeTo(spec, now, 'pending', 'Endpoint waiting to be scheduled');
  const { instanceType, instanceSize } = spec.compute;
  if (faults.find('management', 'capacity', `${instanceType}/${instanceSize}`))
    return [pending, changeTo(spec, scheduledAt, 'failed', NO_CAPACITY)];
  const initializing = changeTo(spec, scheduledAt, 'initializing', 'Endpoint is initializing');
  const problem = deployProblem(world, spec);
  if (problem !== undefined) return [pending, initializing, changeTo(spec, runningAt, 'failed', problem)];
  const loadedAt = runningAt + limits.healthLagMs;
  return [pending, initializing, { ...changeTo(spec, runningAt, 'running', READY), loadedAt }];
}

/** The plan from scaled to zero to running, without the wait for a machine. */
export function wakePlan(spec: EndpointSpec, now: number, wakeMs: number): Change[] {
  const at = now + wakeMs;
  const waking = changeTo(spec, now, 'initializing', 'Endpoint is waking up');
  return [waking, { ...changeTo(spec, at, 'running', READY), loadedAt: at }];
}

/** The plan of a running endpoint that gets another specification: it keeps its replicas within the new bounds. */
export function updatePlan(spec: EndpointSpec, now: number, updateMs: number, before: number): Change[] {
  const { minReplica, maxReplica } = spec.scaling;
  const replicas = Math.min(maxReplica, Math.max(1, minReplica, before));
  const at = now + updateMs;
  const updating = changeTo(spec, now, 'updating', 'Endpoint is updating', replicas);
  return [updating, { ...changeTo(spec, at, 'running', READY, replicas), loadedAt: at }];
}

/** Why the engine can never load the model on that machine, or undefined. */
function deployProblem(world: World, spec: EndpointSpec): string | undefined {
  const model = world.models.get(spec.model.repository);
  if (!model || model.access === 'private') return `Repository not found: ${spec.model.repository}`;
  if (model.access === 'gated' || model.access === 'closed') return `Access to model ${model.id} is restricted`;
  const gpuGb = spec.compute.gpuMemoryGb;
  // Two bytes for each parameter; the cache is not counted.
  if (gpuGb !== null && model.parameters * 2 > gpuGb * 1e9) return 'torch.OutOfMemoryError: CUDA out of memory';
  return undefined;
}
