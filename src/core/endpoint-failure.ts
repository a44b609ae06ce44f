import type { LeftFor } from './rollout/instances.ts';

interface Said {
  readonly cause: LeftFor;
  readonly words: RegExp;
}

/**
 * What the management API says if an instance cannot be had. Hugging Face documents neither the texts nor their statuses.
 * The sources: "Scheduling failure: not enough hardware capacity" is what users of Spaces report. The words of the
 * vendors are from their references: `InsufficientInstanceCapacity` (EC2, error codes), `ZONE_RESOURCE_POOL_EXHAUSTED` and
 * "does not have enough resources available" (Compute Engine, resource availability), `AllocationFailed`,
 * `ZonalAllocationFailed`, `OverconstrainedAllocationRequest` and `SkuNotAvailable` (Azure, allocation failures). "Insufficient nvidia.com/gpu",
 * `FailedScheduling` and `Unschedulable` are the scheduler of Kubernetes. "is not available" is the refusal of an
 * instance that the price list does not offer now.
 */
const TABLE: readonly Said[] = [
  { cause: 'quota', words: /\bquota/i },
  { cause: 'capacity_exhausted', words: /(?:not enough|no|insufficient|out of|lack of) (?:\w+ ){0,2}capacity/i },
  { cause: 'capacity_exhausted', words: /capacity[ _](?:is )?exhausted/i },
  { cause: 'capacity_exhausted', words: /scheduling fail|fail(?:ed)? ?(?:to )?schedul|unschedulable/i },
  { cause: 'capacity_exhausted', words: /Insufficient(?:Instance|Host)Capacity/i },
  { cause: 'capacity_exhausted', words: /insufficient (?:nvidia|amd|aws\.amazon)\.com\//i },
  { cause: 'capacity_exhausted', words: /RESOURCE_POOL_EXHAUSTED|does not have enough resources available/i },
  { cause: 'capacity_exhausted', words: /AllocationFailed|OverconstrainedAllocationRequest|SkuNotAvailable/i },
  { cause: 'capacity_exhausted', words: /\binstance \S+ \S+ is not available/i },
];

/** What an engine says of itself. Another instance would say the same, so none is bought for it. */
const OF_ENGINE = /\b(?:disk|kv[ _-]?cache|engine|model_len|container)\b|max_model_len/i;

/** Why an instance cannot be had, by what the management API says. Null if it says something else. */
export function notToBeHad(message: string): LeftFor | null {
  if (OF_ENGINE.test(message)) return null;
  return TABLE.find(({ words }) => words.test(message))?.cause ?? null;
}
