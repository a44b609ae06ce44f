import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { firstScaling } from '../scaling/scaling.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { Observation } from './observation.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

const NO_ENDPOINT = { engine: 'vLLM', accelerator: 'gpu', minReplica: 1, maxReplica: 1 } as const;

/** What a promoted endpoint's scaling is, as far as we have made it. */
export function presentScaling({ scaling }: Pick<Promoted, 'scaling'>, endpoint: EndpointPolicy | null): Scaling {
  return scaling ?? firstScaling(endpoint ?? NO_ENDPOINT);
}

/** What one replica costs, micro-dollars an hour, not rounded: the rollout's price is that of all that there may be. */
export function pricePerReplica(rollout: Promoted, { policy }: Pick<Observation, 'policy'>): number {
  return rollout.pricePerHourMicros / Math.max(1, presentScaling(rollout, policy.endpoint).maxReplica);
}
