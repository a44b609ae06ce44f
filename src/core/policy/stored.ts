import { z } from 'zod';
import { AFFINITIES } from '../route.ts';
import { readStored, storedAs } from '../stored.ts';
import type { BackPolicy } from './back.ts';
import type { BudgetPolicy } from './budget.ts';
import type { CarePolicy } from './care.ts';
import { CRITERIA } from './criteria.ts';
import type { CriteriaPolicy } from './criteria.ts';
import { endpointSchema } from './endpoint.ts';
import type { GatewayPolicy } from './gateway.ts';
import { JUDGE_MODES } from './judge.ts';
import type { JudgePolicy } from './judge.ts';
import type { Policy, RoutePolicy } from './policy.ts';
import type { OverflowPolicy } from './overflow.ts';
import type { ScalingPolicy } from './scaling.ts';
import type { SweepPolicy } from './sweep.ts';
import { DAYS } from './windows.ts';
import type { ChangeWindow } from './windows.ts';

/** Policies as they are stored: every default filled in, spans in ms, shares 0..1. */

const ms = z.number().min(0);
const count = z.int().min(0);
const share = z.number().min(0).max(1);
const money = z.number().min(0).nullable();

/** The keys of a route's criteria. */
export const CRITERIA_SHAPE = {
  window: ms,
  calls: count,
  agents: count,
  refused: share,
  slo: z.strictObject({ p95: ms.optional(), availability: share.optional() }).optional(),
  predictability: z.strictObject({ ratio: z.number() }).optional(),
  cost: z.strictObject({ cheaperBy: share }).optional(),
  require: z.union([z.enum(['all', 'any']), z.strictObject({ atLeast: count }), z.array(z.array(z.enum(CRITERIA)))]),
  sustain: ms,
  cooldown: ms,
};

const criteriaSchema = storedAs<CriteriaPolicy>()(z.strictObject(CRITERIA_SHAPE));

/** When a way back is proposed. */
export const backSchema = storedAs<BackPolicy>()(
  z.strictObject({
    below: share.nullable(),
    calls: count.nullable(),
    sustain: ms,
    after: ms,
    cooldown: ms,
    minCalls: count,
    refused: share.nullable(),
    slo: z.strictObject({ p95: ms.nullable(), availability: share.nullable(), sustain: ms }),
  }),
);

/** What may be spent. */
export const budgetSchema = storedAs<BudgetPolicy>()(
  z.strictObject({ perHour: money, perDay: money, perRollout: money, warnAt: share, askAt: share }),
);

const care = storedAs<CarePolicy>()(
  z.strictObject({
    retries: z.strictObject({ most: count, base: ms, cap: ms, share }),
    maxWait: ms,
    queue: count,
    ramp: ms,
    breaker: z.strictObject({ faults: count, cooldown: ms, probes: count }),
    providers: z.array(z.string()),
    batch: z.strictObject({ wait: ms, most: count }),
  }),
);

const metric = z.strictObject({
  margin: z.number(),
  rollbackMargin: z.number(),
  weight: z.number(),
  judge: z.enum(JUDGE_MODES),
});

const judge = storedAs<JudgePolicy>()(
  z.strictObject({
    errorRates: z.strictObject({ falseRollback: share, falsePass: share, falsePassLast: share }),
    metrics: z.strictObject({
      faults: metric,
      speed: metric,
      firstToken: metric,
      perToken: metric,
      tail: metric,
      length: metric,
      empty: metric,
      // A policy that was stored before these existed lacks them.
      tools: metric.optional(),
      format: metric.optional(),
      finish: metric.optional(),
      leak: metric.optional(),
      reasoning: metric.optional(),
      promptTokens: z.strictObject({ margin: z.number(), judge: z.enum(JUDGE_MODES) }).optional(),
      agreement: metric.optional(),
    }),
  }),
);

const overflow = storedAs<OverflowPolicy>()(z.strictObject({ enabled: z.boolean(), maxPerDay: money }));

const scaling = storedAs<ScalingPolicy>()(
  z.strictObject({
    adjust: z.enum(['off', 'ask', 'automatic']),
    from: count.nullable(),
    to: count.nullable(),
    every: ms,
    within: ms,
    sleep: z.strictObject({ after: ms, calls: count }).nullable(),
  }),
);

const changeWindow = storedAs<ChangeWindow>()(
  z.strictObject({ days: z.array(z.enum(DAYS)), from: count, to: count, zone: z.string() }),
);

/** One route's policy. */
export const routePolicySchema = storedAs<RoutePolicy>()(
  z.strictObject({
    model: z.string(),
    approval: z.enum(['manual', 'automatic']),
    approvals: z.strictObject({ provision: count, step: count, promote: count, budget: count, scaling: count }),
    overEvidence: z.boolean(),
    windows: z.array(changeWindow),
    criteria: criteriaSchema,
    steps: z.array(share),
    affinity: z.enum(AFFINITIES),
    limits: z.strictObject({
      bake: ms,
      minCalls: count,
      consecutiveFaults: count,
      provisionWithin: ms,
      stepWithin: ms,
      rolloutWithin: ms,
      proposalOpen: ms,
    }),
    judge,
    shadow: z.strictObject({
      share,
      continue: share.optional(),
      time: ms,
      concurrency: count,
      calls: count,
      exclude: z.array(z.string()),
    }),
    holdBack: z.strictObject({ share, time: ms }),
    back: backSchema,
    care,
    overflow,
    scaling,
    timeouts: z.strictObject({
      connect: ms,
      firstByte: ms,
      betweenChunks: ms,
      total: ms,
      serverless: z.strictObject({ betweenChunks: ms, total: ms }),
    }),
    budget: budgetSchema,
    endpoint: endpointSchema.nullable(),
  }),
);

/** What the sweep does with endpoints that no rollout uses. */
export const sweepPolicySchema = storedAs<SweepPolicy>()(
  z.strictObject({
    ended: z.enum(['pause', 'report']),
    deleteAfter: ms.nullable(),
    unknown: z.enum(['report', 'pause', 'delete']),
    idle: ms.nullable(),
  }),
);

const gateway = storedAs<GatewayPolicy>()(
  z.strictObject({ origins: z.array(z.string()), maxBody: count, oversized: z.enum(['pass', 'reject']) }),
);

const policy = storedAs<Policy>()(
  z.strictObject({
    watched: routePolicySchema,
    routes: z.array(routePolicySchema),
    sweep: sweepPolicySchema,
    gateway,
  }),
);

/** Reads a policy of the table `policies`. `hash`: its key. Throws AppError `invalid`, which says what is wrong. */
export function readPolicy(parsed: string, hash: string): Policy {
  return readStored(policy, parsed, { table: 'policies', row: `${hash.slice(0, 8)}, column parsed` });
}
