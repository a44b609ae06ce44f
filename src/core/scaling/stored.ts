import { z } from 'zod';
import { storedAs } from '../stored.ts';
import type { HourConcurrency } from './day-shape.ts';
import type { ConcurrencySeen } from './route-concurrency.ts';
import type { Scaling } from './scaling.ts';

const amount = z.number().min(0);
const time = z.number().min(0);

/** An endpoint's scaling as it is stored. */
export const scalingSchema = storedAs<Scaling>()(
  z.strictObject({
    minReplica: z.int().min(0),
    maxReplica: z.int().min(0),
    scaleToZeroTimeout: z.number().nullable(),
    measure: z
      .union([z.strictObject({ pendingRequests: z.number() }), z.strictObject({ hardwareUsage: z.number() })])
      .nullable(),
  }),
);

/** One hour of the day as it is stored. */
export const hourSchema = storedAs<HourConcurrency>()(
  z.strictObject({
    hour: z.int().min(0).max(23),
    mean: amount,
    p95: amount,
    peak: amount,
    tokensPerSecond: amount,
  }),
);

const atOnce = z.strictObject({ mean: amount, p95: amount, peak: amount });

/** A route's concurrency as it is stored with an observation. */
export const concurrencySeenSchema = storedAs<ConcurrencySeen>()(
  z.strictObject({
    since: time,
    route: atOnce,
    endpoint: atOnce,
    tokensPerSecond: amount,
    recentCalls: z.int().min(0),
    pendingShare: z.number().min(0).max(1).nullable(),
    lastCallAt: time.nullable(),
    capacity: z.strictObject({ carried: amount, isLimit: z.boolean(), mayCarry: amount.optional() }).nullable(),
    hours: z.array(hourSchema),
  }),
);
