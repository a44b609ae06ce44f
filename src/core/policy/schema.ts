import { z } from 'zod';
import { AFFINITIES } from '../route.ts';
import { approvalsSchema, QUESTIONS } from './approvals.ts';
import { BACK_KEYS, backSchema } from './back.ts';
import { budgetSchema as moneySchema } from './budget.ts';
import { ROUTER_CHOICES } from './care.ts';
import { CRITERIA } from './criteria.ts';
import type { CriteriaPolicy } from './criteria.ts';
import { endpointSchema } from './endpoint.ts';
import { gatewaySchema } from './gateway.ts';
import { BETTING_METRICS, JUDGE_MODES, METRICS } from './judge.ts';
import type { BettingMetric } from './judge.ts';
import { overflowSchema } from './overflow.ts';
import { scalingSchemas } from './scaling.ts';
import { sweepSchema } from './sweep.ts';
import { count, margin, share, span, tokens, UNIT_MS } from './values.ts';
import { WINDOW_KEYS, windowsSchema } from './windows.ts';

/**
 * The form of a policy file. Spans are written as `30s`, `5m`, `6h`, shares as `0.05` or `5%`; both become numbers here
 * (clock milliseconds, 0..1). Unknown keys are refused.
 */

const stepsSchema = z
  .array(share)
  .min(1)
  .superRefine((steps, context) => {
    const fallen = steps.findIndex((weight, i) => !(weight > (steps[i - 1] ?? 0)));
    if (fallen >= 0) {
      const message = `steps must rise: ${steps[fallen]} does not exceed ${steps[fallen - 1] ?? 0}`;
      context.addIssue({ code: 'custom', path: [fallen], message });
      return;
    }
    if (steps[0] === 1) {
      context.addIssue({
        code: 'custom',
        message: 'the first step must be below 100%: later ones are compared with it',
      });
    }
    if (steps.length > 0 && steps.at(-1) !== 1) {
      context.addIssue({ code: 'custom', message: `the last step must be 100%, got ${steps.at(-1)}` });
    }
  })
  .describe('rising shares, from 0.01% up to 100%');

const requireSchema = z
  .union(
    [
      z.enum(['all', 'any']),
      z.strictObject({ atLeast: z.number().int().min(1).max(CRITERIA.length) }),
      z.array(z.array(z.string()).min(1)).min(1),
    ],
    {
      error: `expected all, any, {atLeast: n} with n from 1 to ${CRITERIA.length}, or sets such as [[calls, refused], [slo]]`,
    },
  )
  // The names are checked here because a failed union reports only that none of its forms fits.
  .transform((require, context) => {
    const isKnown = (name: string) => (CRITERIA as readonly string[]).includes(name);
    for (const [i, set] of Array.isArray(require) ? require.entries() : []) {
      for (const [j, name] of set.entries()) {
        if (isKnown(name)) continue;
        context.addIssue({ code: 'custom', path: [i, j], message: `expected one of ${CRITERIA.join(', ')}` });
      }
    }
    return require as CriteriaPolicy['require'];
  })
  .describe(`all, any, {atLeast: 1 to ${CRITERIA.length}}, or a list of sets of criteria`);

const criteriaSchema = z.strictObject({
  window: span(1_000, UNIT_MS.d),
  calls: count(),
  agents: count(),
  refused: share,
  slo: z.strictObject({ p95: span(1), availability: share }).partial(),
  predictability: z.strictObject({ ratio: z.number().gt(1).max(1_000).describe('number above 1 up to 1000') }),
  cost: z.strictObject({ cheaperBy: share }),
  require: requireSchema,
  sustain: span(),
  cooldown: span(),
});

const limitsSchema = z.strictObject({
  bake: span(),
  minCalls: count(1),
  consecutiveFaults: count(1),
  provisionWithin: span(1_000),
  stepWithin: span(1_000),
  rolloutWithin: span(1_000),
  proposalOpen: span(1_000),
});

const metricSchema = z.strictObject({
  margin,
  rollbackMargin: margin,
  weight: z.number().positive().max(1_000).describe('number above 0 up to 1000'),
  judge: z.enum(JUDGE_MODES),
});
const promptTokensSchema = z.strictObject({ margin: tokens, judge: z.enum(JUDGE_MODES) });

const LEAST_ERROR_RATE = 0.000001;
/** An error rate of 0 would need infinite odds: no evidence would ever be enough. */
const errorRate = share.refine((rate) => rate >= LEAST_ERROR_RATE, {
  error: `expected a share of at least ${LEAST_ERROR_RATE}, because no evidence is ever enough for 0`,
});
const errorRatesSchema = z.strictObject({ falseRollback: errorRate, falsePass: errorRate, falsePassLast: errorRate });

const judgeSchema = z.strictObject({
  errorRates: errorRatesSchema.partial().optional(),
  ...(Object.fromEntries(BETTING_METRICS.map((metric) => [metric, metricSchema.partial().optional()])) as Record<
    BettingMetric,
    z.ZodOptional<ReturnType<typeof metricSchema.partial>>
  >),
  promptTokens: promptTokensSchema.partial().optional(),
});

const shadowSchema = z.strictObject({
  share,
  continue: share,
  time: span(),
  concurrency: count(1),
  calls: count(1),
  exclude: z.array(z.string().min(1)).describe('list of agents and shapes of call'),
});

const holdBackSchema = z.strictObject({ share: share.describe('share from 0.5% up to 50%'), time: span() });

const providerSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected a provider such as groq, as written after a model: org/name:groq')
  .refine(
    (provider) => !ROUTER_CHOICES.has(provider),
    'expected a provider, but this is a way in which the router chooses one',
  );

const careSchema = z.strictObject({
  retries: z.strictObject({ most: count(0, 20), base: span(1), cap: span(1), share }).partial(),
  maxWait: span(),
  queue: count(1, 100_000),
  ramp: span(),
  breaker: z.strictObject({ faults: count(1), cooldown: span(1), probes: count(1) }).partial(),
  providers: z.array(providerSchema).max(8).describe('list of up to 8 providers'),
  batch: z.strictObject({ wait: span(), most: count(1, 2_048) }).partial(),
});

const serverlessTimeoutsSchema = z.strictObject({ betweenChunks: span(1), total: span(1) });

const timeoutsSchema = z.strictObject({
  connect: span(1),
  firstByte: span(1),
  ...serverlessTimeoutsSchema.shape,
  serverless: serverlessTimeoutsSchema.partial(),
});

const scalingSchema = scalingSchemas(span);

const settings = {
  approval: z.enum(['manual', 'automatic']).optional(),
  approvals: approvalsSchema.partial().optional(),
  overEvidence: z.boolean().describe('`true`, `false`').optional(),
  windows: windowsSchema.optional(),
  criteria: criteriaSchema.partial().optional(),
  steps: stepsSchema.optional(),
  affinity: z.enum(AFFINITIES).optional(),
  limits: limitsSchema.partial().optional(),
  judge: judgeSchema.optional(),
  shadow: shadowSchema.partial().optional(),
  holdBack: holdBackSchema.partial().optional(),
  back: backSchema.optional(),
  care: careSchema.partial().optional(),
  overflow: overflowSchema.optional(),
  scaling: scalingSchema.scaling.optional(),
  timeouts: timeoutsSchema.partial().optional(),
  budget: moneySchema(share).optional(),
};

export const policySchema = z
  .strictObject({
    // An empty block, such as one with comments only, sets nothing.
    defaults: z
      .strictObject(settings)
      .nullish()
      .transform((given) => given ?? {}),
    routes: z
      .array(
        z.strictObject({
          model: z
            .string()
            .regex(/^[^\s:]+$/, 'expected a model such as org/name, without a provider suffix')
            .describe('name of a model, without a provider'),
          ...settings,
          endpoint: endpointSchema.optional(),
        }),
      )
      .nullish()
      .transform((given) => given ?? []),
    sweep: sweepSchema(span()).nullish(),
    gateway: gatewaySchema.nullish(),
  })
  .superRefine((policy, context) => {
    const seen = new Set<string>();
    policy.routes.forEach((route, i) => {
      if (seen.has(route.model)) {
        context.addIssue({ code: 'custom', path: ['routes', i, 'model'], message: `${route.model} is listed twice` });
      }
      seen.add(route.model);
      const isAutomatic = (route.approval ?? policy.defaults.approval) === 'automatic';
      if (isAutomatic && route.endpoint !== undefined && route.endpoint.maxPricePerHour === undefined) {
        context.addIssue({
          code: 'custom',
          path: ['routes', i, 'endpoint'],
          message: 'approval: automatic spends money without asking: set endpoint.maxPricePerHour (dollars per hour)',
        });
      }
    });
  });

/** The allowed keys of a block, by the block's name: `''` at the top, `settings`, `route`, else its own key. */
export const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(policySchema.shape),
  settings: Object.keys(settings),
  route: ['model', ...Object.keys(settings), 'endpoint'],
  approvals: QUESTIONS,
  'windows.route': WINDOW_KEYS,
  criteria: Object.keys(criteriaSchema.shape),
  slo: ['p95', 'availability'],
  predictability: ['ratio'],
  cost: ['cheaperBy'],
  limits: Object.keys(limitsSchema.shape),
  judge: Object.keys(judgeSchema.shape),
  budget: Object.keys(moneySchema(share).shape),
  'judge.errorRates': Object.keys(errorRatesSchema.shape),
  ...Object.fromEntries(METRICS.map((metric) => [metric, Object.keys(metricSchema.shape)])),
  promptTokens: Object.keys(promptTokensSchema.shape),
  shadow: Object.keys(shadowSchema.shape),
  holdBack: Object.keys(holdBackSchema.shape),
  back: BACK_KEYS.back,
  'back.slo': BACK_KEYS.slo,
  care: Object.keys(careSchema.shape),
  retries: Object.keys(careSchema.shape.retries.shape),
  breaker: Object.keys(careSchema.shape.breaker.shape),
  batch: Object.keys(careSchema.shape.batch.shape),
  overflow: Object.keys(overflowSchema.shape),
  scaling: Object.keys(scalingSchema.scaling.shape),
  sleep: Object.keys(scalingSchema.sleep.shape),
  timeouts: Object.keys(timeoutsSchema.shape),
  serverless: Object.keys(serverlessTimeoutsSchema.shape),
  endpoint: Object.keys(endpointSchema.shape),
  sweep: Object.keys(sweepSchema(span()).shape),
  gateway: Object.keys(gatewaySchema.shape),
};
