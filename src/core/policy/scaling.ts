import { z } from 'zod';
import { MINUTE_MS } from '../time.ts';
import { count } from './values.ts';

/** How the number of an endpoint's replicas follows demand after the promotion. Spans in clock ms. */
export interface ScalingPolicy {
  /** Whether the scaling of a promoted endpoint is changed: never, after a person approves, or automatically. */
  readonly adjust: 'off' | 'ask' | 'automatic';
  /** The fewest and the most replicas; null: the endpoint's own minReplica and maxReplica. */
  readonly from: number | null;
  readonly to: number | null;
  /** The least time between two changes, or between two questions about one. */
  readonly every: number;
  /** How long a change or waking up may keep traffic away from the endpoint. */
  readonly within: number;
  /** Null: the endpoint never sleeps. */
  readonly sleep: SleepPolicy | null;
}

/** When a promoted endpoint is put to sleep (scaled to zero), and what wakes it. */
export interface SleepPolicy {
  /** It is put to sleep after this long without a call. */
  readonly after: number;
  /** More calls than this in the last five minutes wake it. */
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

const replicas = count(1, 64);

/** The schemas of `scaling` in a policy file. `span`: gives the schema of a span between two limits, in ms. */
export function scalingSchemas<S extends z.ZodType<number>>(span: (least?: number, most?: number) => S) {
  const sleep = z.strictObject({ after: span(MINUTE_MS), calls: count().default(10) });
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
