import { z } from 'zod';
import { BASIC_METRICS, METRICS } from '../policy/judge.ts';
import { storedAs } from '../stored.ts';
import { MEASURES } from './form-scores.ts';
import type { LatencyModel } from './latency-model.ts';
import type { Profile } from './profile.ts';
import { SIZES } from './profile.ts';
import { VERDICT_STATUSES } from './verdict.ts';
import type { MetricVerdict, Verdict } from './verdict.ts';

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const number = z.number();

const latency = storedAs<LatencyModel>()(
  z.strictObject({ fixedUs: number, perPromptTokenUs: number, perOutputTokenUs: number }),
);

/** A profile as it is stored with a rollout. */
export const profileSchema = storedAs<Profile>()(
  z.strictObject({
    calls: count,
    spanMs: number,
    callsPerMinute: number,
    latency,
    firstToken: latency,
    perTokenUs: number,
    typical: z.strictObject({ promptTokens: number, outputTokens: number }),
    slowRatio: number,
    tauUs: number,
    shares: z.strictObject({ faults: share, tail: share, empty: share }),
    spread: z.record(z.enum(SIZES), number),
    drift: z.record(z.enum(SIZES), z.strictObject({ sigma: number, phi: number })),
    covered: z.record(z.enum(BASIC_METRICS), share),
    form: z.record(z.enum(MEASURES), z.strictObject({ share, covered: share })).optional(),
  }),
);

const metricVerdict = storedAs<MetricVerdict>()(
  z.strictObject({
    metric: z.enum(METRICS),
    judge: z.enum(['act', 'advise']),
    status: z.enum(['pass', 'fail', 'open']),
    part: z.enum(MEASURES).optional(),
    few: z
      .strictObject({
        seen: count,
        needed: count,
        units: z.enum(['agent', 'session']).optional(),
        pairs: count.optional(),
      })
      .optional(),
    fault: z.literal('schema').optional(),
    pairs: z.strictObject({ of: count, same: number }).optional(),
    stable: number.nullable(),
    canary: number.nullable(),
    effect: number.nullable(),
    low: number.nullable(),
    high: number.nullable(),
    margin: number,
    passOdds: number,
    passAt: number,
    stepOdds: number,
    stepAt: number,
    failOdds: number,
    failAt: number,
  }),
);

/** A verdict as it is stored with the decision that used it. */
export const verdictSchema = storedAs<Verdict>()(
  z.strictObject({
    status: z.enum(VERDICT_STATUSES),
    cause: z.enum([...METRICS, 'split', 'rejections']).nullable(),
    summary: z.string(),
    step: count,
    stableCalls: count,
    canaryCalls: count,
    metrics: z.array(metricVerdict),
    notes: z.array(z.string()).optional(),
    taken: z.strictObject({ early: count, full: count, pairs: count }),
  }),
);
