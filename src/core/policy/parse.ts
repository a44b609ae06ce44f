import type { z } from 'zod';
import { fillBack } from './back.ts';
import type { CarePolicy } from './care.ts';
import { checkPolicy } from './check.ts';
import type { CriteriaPolicy } from './criteria.ts';
import { POLICY_DEFAULTS } from './defaults.ts';
import { GATEWAY_DEFAULTS } from './gateway.ts';
import { readIssue } from './issue.ts';
import type { PolicyIssue } from './issue.ts';
import { BETTING_METRICS } from './judge.ts';
import type { JudgePolicy } from './judge.ts';
import type { Policy, RoutePolicy } from './policy.ts';
import { KNOWN_KEYS, policySchema } from './schema.ts';
import { SWEEP_DEFAULTS } from './sweep.ts';

/** Checks an unknown value (parsed YAML) and fills in the defaults. */
export function parsePolicy(
  value: unknown,
): { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly issues: readonly PolicyIssue[] } {
  const parsed = policySchema.safeParse(value ?? {});
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap((issue) => readIssue(issue, value, KNOWN_KEYS));
    return { ok: false, issues };
  }
  const { defaults, routes, sweep, gateway } = parsed.data;
  const base = fill(POLICY_DEFAULTS, defaults);
  const policy: Policy = {
    watched: { ...base, model: '*', endpoint: null },
    routes: routes.map((route) => ({
      ...fill(base, route),
      model: route.model,
      endpoint: route.endpoint ?? null,
    })),
    sweep: { ...SWEEP_DEFAULTS, ...sweep },
    gateway: { ...GATEWAY_DEFAULTS, ...gateway },
  };
  const issues = checkPolicy(policy);
  return issues.length > 0 ? { ok: false, issues } : { ok: true, policy };
}

type Filled = Omit<RoutePolicy, 'model' | 'endpoint'>;
type Settings = z.output<typeof policySchema>['defaults'];

function fill(base: Filled, given: Settings): Filled {
  return {
    approval: given.approval ?? base.approval,
    approvals: { ...base.approvals, ...given.approvals },
    overEvidence: given.overEvidence ?? base.overEvidence,
    windows: given.windows ?? base.windows,
    criteria: fillCriteria(base.criteria, given.criteria ?? {}),
    steps: given.steps ?? base.steps,
    affinity: given.affinity ?? base.affinity,
    limits: { ...base.limits, ...given.limits },
    judge: fillJudge(base.judge, given.judge ?? {}),
    shadow: { ...base.shadow, ...given.shadow },
    holdBack: { ...base.holdBack, ...given.holdBack },
    back: fillBack(base.back, given.back),
    care: fillCare(base.care, given.care ?? {}),
    overflow: { ...base.overflow, ...given.overflow },
    scaling: { ...base.scaling, ...given.scaling },
    timeouts: {
      ...base.timeouts,
      ...given.timeouts,
      serverless: { ...base.timeouts.serverless, ...given.timeouts?.serverless },
    },
    budget: { ...base.budget, ...given.budget },
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
  const metrics = BETTING_METRICS.map((metric) => [metric, { ...base.metrics[metric], ...given[metric] }] as const);
  const promptTokens = { ...base.metrics.promptTokens, ...given.promptTokens };
  return {
    errorRates: { ...base.errorRates, ...given.errorRates },
    metrics: { ...Object.fromEntries(metrics), promptTokens } as JudgePolicy['metrics'],
  };
}
