import { z } from 'zod';
import { count } from './values.ts';

/** How an endpoint's replicas follow the load after the promotion. Spans in clock ms. */
export interface ScalingPolicy {
  /** Whether the scaling of a promoted endpoint is changed: never, after a person's word, or by itself. */
  readonly adjust: 'off' | 'ask' | 'automatic';
  /** Bounds for the replicas; null: the endpoint's own minReplica and maxReplica. */
  readonly from: number | null;
  readonly to: number | null;
  /** Between two changes, or questions about one, at least so long. */
  readonly every: number;
  /** How long a change, or waking up, may keep the traffic away from the endpoint. */
  readonly within: number;
  /** Null: it never sleeps. */
  readonly sleep: SleepPolicy | null;
}

/** When a promoted endpoint is put to sleep (scaled to zero), and what wakes it. */
export interface SleepPolicy {
  /** So long without a call. */
  readonly after: number;
  /** More calls than this in the criteria's window wake it. */
  readonly calls: number;
}

export const SCALING_DEFAULTS: ScalingPolicy = {
  adjust: 'off',
  from: null,
  to: null,
  every: 21_600_000,
  within: 900_000,
  sleep: null,
};

/** What holds for a route; policies that were pinned by older versions say nothing of it. */
export function scalingOf(policy: { readonly scaling?: ScalingPolicy }): ScalingPolicy {
  return policy.scaling ?? SCALING_DEFAULTS;
}

const replicas = count(1, 64);

/** What a policy file may say of scaling. `span`: the schema of a span between two limits, in ms. */
export function scalingSchemas<S extends z.ZodType<number>>(span: (least?: number, most?: number) => S) {
  const sleep = z.strictObject({ after: span(60_000), calls: count().default(10) });
  const scaling = z
    .strictObject({
      adjust: z.enum(['off', 'ask', 'automatic']),
      from: replicas,
      to: replicas,
      every: span(600_000),
      within: span(1_000),
      sleep: z.union([sleep, z.null()], { error: 'expected {after: 30m}, or null for never' }),
    })
    .partial();
  return { scaling, sleep };
}
