import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { mostReplicas } from '../sizing/pinned.ts';
import { firstScaling } from '../scaling/scaling.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { Observation } from './observation.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

const NO_ENDPOINT = { engine: 'vLLM', accelerator: 'gpu', minReplica: 1, maxReplica: 1 } as const;

/** The scaling that upshift last gave a promoted endpoint. */
export function presentScaling(
  { scaling, instance }: Pick<Promoted, 'scaling' | 'instance'>,
  endpoint: EndpointPolicy | null,
): Scaling {
  return scaling ?? firstScaling(endpoint ?? NO_ENDPOINT, mostReplicas(endpoint ?? NO_ENDPOINT, instance));
}

/**
 * What one replica costs, micro-dollars per hour, not rounded. The rollout's price is for the largest number of
 * replicas.
 */
export function pricePerReplica(rollout: Promoted, { policy }: Pick<Observation, 'policy'>): number {
  return rollout.pricePerHourMicros / Math.max(1, presentScaling(rollout, policy.endpoint).maxReplica);
}
