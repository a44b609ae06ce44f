import { AppError, errorCode } from '../../core/errors.ts';
import type { EndpointsClient } from './endpoints.ts';
import type { EndpointSpec } from './spec.ts';
import { isOurs } from './status.ts';
import type { EndpointStatus } from './status.ts';

/**
 * Finds the endpoint with the spec's name, or creates it. It never creates a second one: it looks the name up first,
 * and again if the name was taken meanwhile or the answer to the creation was lost. Throws AppError `conflict` if
 * upshift did not create the endpoint of that name.
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
    throw new AppError('conflict', `the endpoint ${namespace}/${spec.name} exists, but upshift did not create it`, {
      hint: 'rename or delete that endpoint; upshift then proposes the rollout again',
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
