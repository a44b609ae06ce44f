import { AppError, errorCode } from '../../core/errors.ts';
import type { EndpointsClient } from './endpoints.ts';
import type { EndpointSpec } from './spec.ts';
import { isOurs } from './status.ts';
import type { EndpointStatus } from './status.ts';

/**
 * The endpoint of a spec's name: found, or made. Never a second one: it is looked up first, and again where the name was
 * taken meanwhile or the answer to the creation was lost. Throws AppError `conflict` where the name is not ours.
 */
export async function ensureEndpoint(
  client: Pick<EndpointsClient, 'get' | 'create'>,
  namespace: string,
  spec: EndpointSpec,
  signal?: AbortSignal,
): Promise<EndpointStatus> {
  const adopt = async () => {
    const found = await client.get(namespace, spec.name, signal);
    if (found === null || isOurs(found)) return found;
    throw new AppError('conflict', `there is an endpoint ${namespace}/${spec.name} that upshift did not make`, {
      hint: 'rename or delete that endpoint, then let the rollout be proposed again',
    });
  };
  const found = await adopt();
  if (found !== null) return found;
  try {
    return await client.create(namespace, spec, signal);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const isUnsure = ['conflict', 'unavailable', 'timeout', 'internal'].includes(errorCode(error));
    const made = isUnsure ? await adopt() : null;
    if (made !== null) return made;
    throw error;
  }
}
