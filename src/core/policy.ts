import { z } from 'zod';
import { checkPolicy } from './policy-check.ts';
import { readIssue } from './policy-issue.ts';
import type { PolicyIssue } from './policy-issue.ts';
import { METRICS } from './verdict.ts';
import type { MetricName } from './verdict.ts';

export type { PolicyIssue } from './policy-issue.ts';

/**
 * The policy: when to migrate a route, how to move its traffic, and what may be spent. Spans are written as `30s`, `5m`,
 * `6h`, shares as `0.05` or `5%`; both become numbers here (clock milliseconds, 0..1). Unknown keys are refused.
 */

const SPAN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const SPAN_WANTED = 'expected a span such as 30s, 5m or 6h';
const SHARE_WANTED = 'expected a share such as 0.05 or "5%"';
const MARGIN_WANTED = 'expected a margin such as 0.15 or "15%"';

const span = (least = 0, most = 365 * UNIT_MS.d) =>
  z.string({ error: SPAN_WANTED }).transform((text, context) => {
    const match = SPAN.exec(text.trim());
    if (match === null) {
      context.addIssue({ code: 'custom', message: `${SPAN_WANTED}, got "${text}"` });
      return z.NEVER;
    }
    const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    if (ms >= least && ms <= most) return ms;
    const limit = ms < least ? `at least ${least / 1000}s` : `at most ${most / UNIT_MS.d}d`;
    context.addIssue({ code: 'custom', message: `expected ${limit}, got "${text}"` });
    return z.NEVER;
  });

const share = z.union([z.number(), z.string()], { error: SHARE_WANTED }).transform((value, context) => {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
  const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
  if (number >= 0 && number <= 1) return number;
  const message = `expected a share from 0 to 1, written 0.05 or "5%", got ${JSON.stringify(value)}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const count = (least = 0) => z.number().int().min(least);

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
  });

const criteriaSchema = z.strictObject({
  window: span(1_000, UNIT_MS.d),
  calls: count(),
  agents: count(),
  refused: share,
  require: z.union([z.enum(['all', 'any']), z.strictObject({ atLeast: z.number().int().min(1).max(3) })], {
    error: 'expected all, any or {atLeast: n} with n from 1 to 3',
  }),
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

const margin = z.union([z.number(), z.string()], { error: MARGIN_WANTED }).transform((value, context) => {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim()) : null;
  const number = typeof value === 'number' ? value : percent === null ? Number.NaN : Number(percent[1]) / 100;
  if (number > 0 && number <= 10) return number;
  const message = `expected a margin above 0, written 0.15 or "15%", got ${JSON.stringify(value)}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const metricSchema = z.strictObject({
  margin,
  killMargin: margin,
  weight: z.number().positive().max(1_000),
  judge: z.enum(['act', 'advise']),
});

const budgetSchema = z.strictObject({ falseRollback: share, falsePass: share, falsePassLast: share });

const judgeSchema = z.strictObject({
  budget: budgetSchema.partial().optional(),
  ...(Object.fromEntries(METRICS.map((metric) => [metric, metricSchema.partial().optional()])) as Record<
    MetricName,
    z.ZodOptional<ReturnType<typeof metricSchema.partial>>
  >),
});

const shadowSchema = z.strictObject({
  share,
  time: span(),
  concurrency: count(1),
  calls: count(1),
  exclude: z.array(z.string().min(1)),
});

const holdBackSchema = z.strictObject({ share, time: span() });

const timeoutsSchema = z.strictObject({ connect: span(1), firstByte: span(1), betweenChunks: span(1) });

const name = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes');
const replicas = z.number().int().min(1).max(64);

const endpointSchema = z
  .strictObject({
    namespace: z.string().regex(/^[\w.-]+$/, 'expected the name of a user or organization'),
    vendor: name,
    region: name,
    accelerator: z.enum(['cpu', 'gpu', 'neuron']).default('gpu'),
    instanceType: name,
    instanceSize: name,
    minReplica: replicas.default(1),
    maxReplica: replicas.default(1),
    engine: z.enum(['vLLM', 'tei', 'tgi', 'sGLang', 'llamacpp']).default('vLLM'),
    image: z.string().regex(/^\S+$/, 'expected a container image without blanks').default('vllm/vllm-openai:v0.23.0'),
    args: z.array(z.string()).default([]),
    env: z.record(z.string(), z.string()).default({}),
    maxPricePerHour: z.number().positive().optional(),
  })
  .refine((endpoint) => endpoint.maxReplica >= endpoint.minReplica, {
    path: ['maxReplica'],
    message: 'expected maxReplica to be at least minReplica',
  });

const settings = {
  approval: z.enum(['manual', 'automatic']).optional(),
  criteria: criteriaSchema.partial().optional(),
  steps: stepsSchema.optional(),
  affinity: z.enum(['call', 'agent']).optional(),
  limits: limitsSchema.partial().optional(),
  judge: judgeSchema.optional(),
  shadow: shadowSchema.partial().optional(),
  holdBack: holdBackSchema.partial().optional(),
  timeouts: timeoutsSchema.partial().optional(),
};

const policySchema = z
  .strictObject({
    // An empty block, such as one whose lines are all comments, says nothing.
    defaults: z
      .strictObject(settings)
      .nullish()
      .transform((given) => given ?? {}),
    routes: z
      .array(
        z.strictObject({
          model: z.string().regex(/^[^\s:]+$/, 'expected a model such as org/name, without a provider suffix'),
          ...settings,
          endpoint: endpointSchema.optional(),
        }),
      )
      .nullish()
      .transform((given) => given ?? []),
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

/** When to migrate. Spans in clock ms, shares 0..1. */
export interface CriteriaPolicy {
  /** The sliding span that the figures are counted over. */
  readonly window: number;
  /** Calls that arrived for serverless in the window: more than this. */
  readonly calls: number;
  /** Distinct agents in the window: more than this. */
  readonly agents: number;
  /** Share of calls refused with 429 at their first attempt: more than this. */
  readonly refused: number;
  readonly require: 'all' | 'any' | { readonly atLeast: number };
  /** How long they must hold without interruption. */
  readonly sustain: number;
  /** How long after a rollout that did not succeed nothing is proposed. */
  readonly cooldown: number;
}

/** How careful a rollout is. Spans in clock ms, shares 0..1. */
export interface LimitsPolicy {
  /** How long a step lasts at least. */
  readonly bake: number;
  /** Calls of the endpoint that must have been judged in a step before it may end. */
  readonly minCalls: number;
  /** Canary faults in a row, while stable is healthy, after which all traffic goes back at once. */
  readonly consecutiveFaults: number;
  /** From the approval to a warm endpoint. */
  readonly provisionWithin: number;
  /** A step that takes longer holds and says so; under `approval: automatic` it aborts. */
  readonly stepWithin: number;
  readonly rolloutWithin: number;
  /** How long a proposal waits for a person's word. */
  readonly proposalOpen: number;
}

/** How one metric is judged. Margins: differences of shares for `faults`, `tail`, `empty`, else ratios less 1. */
export interface MetricPolicy {
  /** How much worse the endpoint may be: a pass is evidence that it is not worse by more. */
  readonly margin: number;
  /** Evidence, however early, that it is worse by more than this sends it back at once. */
  readonly killMargin: number;
  /** Its part in the budget of false rollbacks, against those of the other metrics. */
  readonly weight: number;
  /** `advise`: shown, but it neither stops a rollout nor sends it back. */
  readonly judge: 'act' | 'advise';
}

/** How the roles are compared. */
export interface JudgePolicy {
  /** How often, in shares of rollouts or steps, the judge may be wrong. */
  readonly budget: {
    /** A rollout that goes back although the endpoint is within its margins. */
    readonly falseRollback: number;
    /** A step that passes although the endpoint is beyond a margin; and the last one. */
    readonly falsePass: number;
    readonly falsePassLast: number;
  };
  readonly metrics: Readonly<Record<MetricName, MetricPolicy>>;
}

/** Copies of calls to a warm endpoint before it gets any of its own. */
export interface ShadowPolicy {
  /** Share of eligible calls that are copied; 0 leaves the stage out. */
  readonly share: number;
  /** How long the stage lasts, clock ms. */
  readonly time: number;
  /** Copies in flight at once, at most; what comes beyond is not copied, and counted. */
  readonly concurrency: number;
  /** Copies in all, at most. */
  readonly calls: number;
  /** Agents and call shapes that are never copied. */
  readonly exclude: readonly string[];
}

/** The share of calls that stays on serverless at 100 %, as a control group, and for how long (clock ms). */
interface HoldBackPolicy {
  readonly share: number;
  readonly time: number;
}

/** The dedicated endpoint that a route may get. */
export type EndpointPolicy = Readonly<z.output<typeof endpointSchema>>;

/** Everything that holds for one route, defaults filled in. */
export interface RoutePolicy {
  readonly model: string;
  readonly approval: 'manual' | 'automatic';
  readonly criteria: CriteriaPolicy;
  /** Rising weights, the last 1. */
  readonly steps: readonly number[];
  readonly affinity: 'call' | 'agent';
  readonly limits: LimitsPolicy;
  readonly judge: JudgePolicy;
  readonly shadow: ShadowPolicy;
  readonly holdBack: HoldBackPolicy;
  /** In ms of real time; on a simulation's faster clock the daemon shrinks them, to no less than five seconds. */
  readonly timeouts: { readonly connect: number; readonly firstByte: number; readonly betweenChunks: number };
  readonly endpoint: EndpointPolicy | null;
}

/** A whole policy: what holds for each listed route, and for models that are only watched. */
export interface Policy {
  readonly watched: RoutePolicy;
  readonly routes: readonly RoutePolicy[];
}

/** What holds where a policy is silent. */
export const POLICY_DEFAULTS: Omit<RoutePolicy, 'model' | 'endpoint'> = {
  approval: 'manual',
  criteria: {
    window: 300_000,
    calls: 2_000,
    agents: 50,
    refused: 0.05,
    require: 'all',
    sustain: 300_000,
    cooldown: 21_600_000,
  },
  steps: [0.1, 0.25, 0.5, 0.75, 1],
  affinity: 'call',
  limits: {
    bake: 300_000,
    minCalls: 200,
    consecutiveFaults: 5,
    provisionWithin: 1_800_000,
    stepWithin: 7_200_000,
    rolloutWithin: 86_400_000,
    proposalOpen: 86_400_000,
  },
  judge: {
    budget: { falseRollback: 0.01, falsePass: 0.05, falsePassLast: 0.02 },
    metrics: {
      faults: { margin: 0.01, killMargin: 0.005, weight: 5, judge: 'act' },
      speed: { margin: 0.15, killMargin: 0.5, weight: 1, judge: 'act' },
      firstToken: { margin: 0.25, killMargin: 1, weight: 1, judge: 'act' },
      perToken: { margin: 0.25, killMargin: 1, weight: 1, judge: 'act' },
      tail: { margin: 0.01, killMargin: 0.01, weight: 1, judge: 'act' },
      length: { margin: 0.15, killMargin: 0.5, weight: 0.5, judge: 'act' },
      empty: { margin: 0.01, killMargin: 0.01, weight: 0.5, judge: 'act' },
    },
  },
  shadow: { share: 0.1, time: 600_000, concurrency: 8, calls: 10_000, exclude: [] },
  holdBack: { share: 0.03, time: 1_800_000 },
  timeouts: { connect: 2_000, firstByte: 60_000, betweenChunks: 120_000 },
};

/** Checks an unknown value (parsed YAML) and fills in the defaults. */
export function parsePolicy(
  value: unknown,
): { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly issues: readonly PolicyIssue[] } {
  const parsed = policySchema.safeParse(value ?? {});
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap((issue) => readIssue(issue, value, KNOWN_KEYS));
    return { ok: false, issues };
  }
  const { defaults, routes } = parsed.data;
  const base = fill(POLICY_DEFAULTS, defaults);
  const policy: Policy = {
    watched: { ...base, model: '*', endpoint: null },
    routes: routes.map((route) => ({
      ...fill(base, route),
      model: route.model,
      endpoint: route.endpoint ?? null,
    })),
  };
  const issues = checkPolicy(policy);
  return issues.length > 0 ? { ok: false, issues } : { ok: true, policy };
}

type Filled = Omit<RoutePolicy, 'model' | 'endpoint'>;
type Settings = z.output<typeof policySchema>['defaults'];

function fill(base: Filled, given: Settings): Filled {
  return {
    approval: given.approval ?? base.approval,
    criteria: { ...base.criteria, ...given.criteria },
    steps: given.steps ?? base.steps,
    affinity: given.affinity ?? base.affinity,
    limits: { ...base.limits, ...given.limits },
    judge: fillJudge(base.judge, given.judge ?? {}),
    shadow: { ...base.shadow, ...given.shadow },
    holdBack: { ...base.holdBack, ...given.holdBack },
    timeouts: { ...base.timeouts, ...given.timeouts },
  };
}

function fillJudge(base: JudgePolicy, given: NonNullable<Settings['judge']>): JudgePolicy {
  const metrics = METRICS.map((metric) => [metric, { ...base.metrics[metric], ...given[metric] }] as const);
  return {
    budget: { ...base.budget, ...given.budget },
    metrics: Object.fromEntries(metrics) as JudgePolicy['metrics'],
  };
}

const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(policySchema.shape),
  settings: Object.keys(settings),
  route: ['model', ...Object.keys(settings), 'endpoint'],
  criteria: Object.keys(criteriaSchema.shape),
  limits: Object.keys(limitsSchema.shape),
  judge: Object.keys(judgeSchema.shape),
  budget: Object.keys(budgetSchema.shape),
  ...Object.fromEntries(METRICS.map((metric) => [metric, Object.keys(metricSchema.shape)])),
  shadow: Object.keys(shadowSchema.shape),
  holdBack: Object.keys(holdBackSchema.shape),
  timeouts: Object.keys(timeoutsSchema.shape),
  endpoint: Object.keys(endpointSchema.shape),
};
