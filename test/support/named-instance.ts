import type { EndpointPolicy } from '../../src/core/policy/endpoint.ts';
import { acceleratorOf } from '../../src/core/sizing/accelerators.ts';
import { imageFor } from '../../src/core/sizing/engine.ts';
import type { PinnedInstance } from '../../src/core/sizing/pinned.ts';

/** The instance that a policy names in full; null if it leaves something open. */
export function namedInstance(policy: EndpointPolicy, numAccelerators: number): PinnedInstance | null {
  const { vendor, region, instanceType, instanceSize, accelerator = 'gpu', engine = 'vLLM' } = policy;
  if (vendor === undefined || region === undefined || instanceType === undefined || instanceSize === undefined)
    return null;
  return {
    vendor,
    region,
    accelerator,
    instanceType,
    instanceSize,
    numAccelerators,
    tensorParallelSize: numAccelerators > 1 ? numAccelerators : null,
    engine,
    image: policy.image ?? imageFor(engine, accelerator, acceleratorOf(instanceType)) ?? '',
    maxContext: null,
    gguf: null,
    reason: 'named by the policy',
  };
}
