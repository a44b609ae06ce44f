import type { z } from 'zod';
import { BACK_DEFAULTS, fillBack } from './back-policy.ts';
import type { BackPolicy } from './back-policy.ts';
import type { CarePolicy } from './care/policy.ts';
import type { CriterionName } from './criterion.ts';
import { NO_BUDGET } from './money/policy.ts';
import type { BudgetPolicy } from './money/policy.ts';
import { checkPolicy } from './policy-check.ts';
import { readIssue } from './policy-issue.ts';
import type { PolicyIssue } from './policy-issue.ts';
import { KNOWN_KEYS, policySchema } from './policy-schema.ts';
import type { endpointSchema } from './policy-schema.ts';
import { SWEEP_DEFAULTS } from './sweep-policy.ts';
import type { SweepPolicy } from './sweep-policy.ts';
import type { ScalingPolicy } from './scaling/policy.ts';
import { SCALING_DEFAULTS, fillScaling } from './scaling/policy.ts';
import { METRICS } from './verdict.ts';
import type { MetricName } from './verdict.ts';

export type { PolicyIssue } from './policy-issue.ts';

/** The policy: when to migrate a route, how to move its traffic, and what may be spent. */

/** When to migrate. Spans in clock ms, shares 0..1. */
export interface CriteriaPolicy {
  /** The sliding span that the figures are counted over. */
  readonly window: number;
  /** Calls that arrived for serverless in the window: more than this. */
  readonly calls: number;
  /** Distinct agents in the window: more than this. */
  readonly agents: number;
  /** Share of calls refused with 429 at their first attempt, or refused here or held to keep a limit: more than this. */
  readonly refused: number;
  /** What serverless should keep to: missed where its p95 (clock ms) is above, or the share answered well is below. */
  readonly slo?: { readonly p95?: number; readonly availability?: number };
  /** How many times the middle call's time the slowest hundredth takes: more than this. */
  readonly predictability?: { readonly ratio: number };
  /** What part of serverless's costs an endpoint would save at this load: more than this. */
  readonly cost?: { readonly cheaperBy: number };
  /** How many of those that are set must be met, or sets of which one must be met whole. */
  readonly require: 'all' | 'any' | { readonly atLeast: number } | readonly (readonly CriterionName[])[];
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
  readonly back: BackPolicy;
  readonly care: CarePolicy;
  /** Absent in policies that older versions pinned. */
  readonly scaling?: ScalingPolicy;
  /** In ms of real time; on a simulation's faster clock the daemon shrinks them, to no less than five seconds. */
  readonly timeouts: {
    readonly connect: number;
    readonly firstByte: number;
    readonly betweenChunks: number;
    readonly total: number;
  };
  /** Absent in policies that were stored before there were budgets: none. */
  readonly budget?: BudgetPolicy;
  readonly endpoint: EndpointPolicy | null;
}

/** A whole policy: what holds for each listed route, and for models that are only watched. */
export interface Policy {
  readonly watched: RoutePolicy;
  readonly routes: readonly RoutePolicy[];
  /** What becomes of endpoints that no rollout uses. */
  readonly sweep: SweepPolicy;
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
  back: BACK_DEFAULTS,
  care: {
    retries: { most: 5, base: 1_000, cap: 16_000, budget: 0.2 },
    maxWait: 30_000,
    queue: 1_000,
    ramp: 180_000,
    breaker: { faults: 5, cooldown: 60_000, probes: 1 },
    providers: [],
    batch: { wait: 5, most: 1 },
  },
  scaling: SCALING_DEFAULTS,
  timeouts: { connect: 2_000, firstByte: 60_000, betweenChunks: 120_000, total: 1_800_000 },
  budget: NO_BUDGET,
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
  const { defaults, routes, sweep } = parsed.data;
  const base = fill(POLICY_DEFAULTS, defaults);
  const policy: Policy = {
    watched: { ...base, model: '*', endpoint: null },
    routes: routes.map((route) => ({
      ...fill(base, route),
      model: route.model,
      endpoint: route.endpoint ?? null,
    })),
    sweep: { ...SWEEP_DEFAULTS, ...sweep },
  };
  const issues = checkPolicy(policy);
  return issues.length > 0 ? { ok: false, issues } : { ok: true, policy };
}

type Filled = Omit<RoutePolicy, 'model' | 'endpoint'>;
type Settings = z.output<typeof policySchema>['defaults'];

function fill(base: Filled, given: Settings): Filled {
  return {
    approval: given.approval ?? base.approval,
    criteria: fillCriteria(base.criteria, given.criteria ?? {}),
    steps: given.steps ?? base.steps,
    affinity: given.affinity ?? base.affinity,
    limits: { ...base.limits, ...given.limits },
    judge: fillJudge(base.judge, given.judge ?? {}),
    shadow: { ...base.shadow, ...given.shadow },
    holdBack: { ...base.holdBack, ...given.holdBack },
    back: fillBack(base.back, given.back),
    care: fillCare(base.care, given.care ?? {}),
    scaling: fillScaling(base.scaling ?? SCALING_DEFAULTS, given.scaling),
    timeouts: { ...base.timeouts, ...given.timeouts },
    budget: { ...NO_BUDGET, ...base.budget, ...given.budget },
  };
}

function fillCriteria(base: CriteriaPolicy, given: NonNullable<Settings['criteria']>): CriteriaPolicy {
  const slo = base.slo === undefined && given.slo === undefined ? {} : { slo: { ...base.slo, ...given.slo } };
  return { ...base, ...given, ...slo };
}

function fillCare(base: CarePolicy, given: NonNullable<Settings['care']>): CarePolicy {
  const { retries, breaker, batch, ...rest } = given;
  return {
    ...base,
    ...rest,
    retries: { ...base.retries, ...retries },
    breaker: { ...base.breaker, ...breaker },
    batch: { ...base.batch, ...batch },
  };
}

function fillJudge(base: JudgePolicy, given: NonNullable<Settings['judge']>): JudgePolicy {
  const metrics = METRICS.map((metric) => [metric, { ...base.metrics[metric], ...given[metric] }] as const);
  return {
    budget: { ...base.budget, ...given.budget },
    metrics: Object.fromEntries(metrics) as JudgePolicy['metrics'],
  };
}
