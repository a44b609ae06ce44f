import type { EffectName } from '../../core/decide/observation.ts';
import { AppError } from '../../core/errors.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { knock, scalingChange } from '../../huggingface/management/scaling.ts';
import { isOurs } from '../../huggingface/management/status.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import { addressOf } from './address.ts';
import type { EffectContext } from './context.ts';

/** Effects that change a promoted endpoint while its traffic is with serverless. */
type ScalingEffect = Extract<EffectName, 'rescale' | 'sleep' | 'wake'>;

type Waking = Pick<EffectContext, 'endpoints' | 'token' | 'isLocalApi'>;

/** A rollout and the policy that it keeps. */
interface Owner {
  readonly rollout: Rollout;
  readonly policy: RoutePolicy;
}

/**
 * Changes the scaling of an endpoint, puts it to sleep or wakes it. Each can safely be repeated after a crash. Throws
 * AppError `conflict` if upshift did not create the endpoint, `not_found` if it does not exist.
 */
export async function changeScaling(
  { rollout, policy }: Owner,
  effect: ScalingEffect,
  context: Waking,
  signal: AbortSignal,
): Promise<void> {
  const { endpoints } = context;
  const { namespace, endpointName: name } = rollout;
  if (rollout.phase !== 'promoted' || rollout.detour === undefined) {
    throw new AppError('internal', `${effect} of ${name} in phase ${rollout.phase} without a detour`);
  }
  const status = await endpoints.get(namespace, name, signal);
  if (status === null) throw new AppError('not_found', `there is no endpoint ${namespace}/${name}`);
  if (!isOurs(status)) throw new AppError('conflict', `${namespace}/${name} is not an endpoint that upshift made`);
  const { detour } = rollout;
  if (effect === 'rescale' && detour.why === 'rescale') {
    await endpoints.update(namespace, name, scalingChange(detour.scaling), signal);
  } else if (effect === 'sleep') {
    if (status.state === 'running') await endpoints.scaleToZero(namespace, name, signal);
  } else if (effect === 'wake') {
    await wake({ rollout, policy }, status, context, signal);
  }
}

/** By the API's documentation a call wakes the endpoint. If it still sleeps after that, it is resumed explicitly. */
async function wake(
  { rollout: { namespace, endpointName: name }, policy }: Owner,
  status: EndpointStatus,
  { endpoints, token, isLocalApi }: Waking,
  signal: AbortSignal,
): Promise<void> {
  if (status.state !== 'scaledToZero') return;
  const { url } = addressOf(status, policy, isLocalApi);
  if (url !== null) await knock(url, token, status.healthRoute, signal);
  const after = await endpoints.get(namespace, name, signal);
  if (after?.state === 'scaledToZero') await endpoints.resume(namespace, name, signal);
}
