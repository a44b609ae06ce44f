import type { Observation, Survey } from '../../src/core/decide/observation.ts';
import type { RoleFigures } from '../../src/core/rollout/step-figures.ts';
import { NO_FIGURES } from '../../src/core/rollout/step-figures.ts';
import { NO_BUDGET } from '../../src/core/policy/budget.ts';
import type { CriteriaPolicy } from '../../src/core/policy/criteria.ts';
import type { EndpointPolicy } from '../../src/core/policy/endpoint.ts';
import type { LimitsPolicy, RoutePolicy } from '../../src/core/policy/policy.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import type { Rollout, WarmEndpoint } from '../../src/core/rollout/rollout.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import { evolve } from '../../src/core/rollout/evolve.ts';
import { stopWeight } from '../../src/core/rollout/rollout.ts';
import { learnProfile } from '../../src/core/judge/profile.ts';
import type { PinnedInstance } from '../../src/core/sizing/pinned.ts';
import type { MetricVerdict, Verdict } from '../../src/core/judge/verdict.ts';

/** A round moment on the clock; the tests' time begins here. */
export const START = 1_800_000_000_000;
export const MODEL = 'acme/writer';

export const ENDPOINT_POLICY: EndpointPolicy = {
  namespace: 'acme',
  vendor: 'aws',
  region: 'us-east-1',
  accelerator: 'gpu',
  regions: [],
  deny: [],
  instanceType: 'nvidia-a10g',
  instanceSize: 'x1',
  minReplica: 1,
  maxReplica: 1,
  engine: 'vLLM',
  image: 'vllm/vllm-openai:v0.23.0',
  args: [],
  env: {},
  maxPricePerHour: 10,
};

/** What that policy names. */
export const INSTANCE: PinnedInstance = {
  vendor: 'aws',
  region: 'us-east-1',
  accelerator: 'gpu',
  instanceType: 'nvidia-a10g',
  instanceSize: 'x1',
  numAccelerators: 1,
  tensorParallelSize: null,
  engine: 'vLLM',
  image: 'vllm/vllm-openai:v0.23.0',
  maxContext: null,
  gguf: null,
  reason: 'named by the policy',
};

/** A survey that found it, at $1.30 an hour. */
export const SURVEY: Survey = {
  at: START,
  pricePerHourMicros: 1_300_000,
  expectedPerHourMicros: null,
  problem: null,
  hint: null,
  instance: INSTANCE,
};

/** What is seen of the replicas of an endpoint that is absent. */
export const NO_REPLICAS = { readyReplica: null, targetReplica: null, scaling: null } as const;

export const WARM: WarmEndpoint = {
  url: 'http://127.0.0.1:9/writer',
  servedModel: MODEL,
  shapes: ['chat', 'chat+stream'],
};

/** What is known of a serverless that nobody has called yet. */
export const PROFILE = learnProfile([], 'serverless');

/** A verdict on a step; a pass unless a test wants another. */
export function verdictOn(step: number, changes: Partial<Verdict> = {}): Verdict {
  return {
    status: 'pass',
    cause: null,
    summary: 'endpoint 1 % faster',
    step,
    stableCalls: 300,
    canaryCalls: 300,
    metrics: [],
    taken: { early: 600, full: 600, pairs: 0 },
    ...changes,
  };
}

/** The metric of a route whose endpoint counts each prompt differently. */
export const PROMPTS_APART: MetricVerdict = {
  metric: 'promptTokens',
  judge: 'act',
  status: 'fail',
  pairs: { of: 40, same: 2 },
  stable: 1_000,
  canary: 1_060,
  effect: 57,
  low: -3,
  high: 120,
  margin: 8,
  passOdds: 0,
  passAt: 20,
  stepOdds: 1,
  stepAt: 1,
  failOdds: 1e6,
  failAt: 2_000,
};

/** The default policy with an endpoint, and what a test wants otherwise. */
export function routePolicy(
  changes: Partial<Omit<RoutePolicy, 'criteria' | 'limits'>> & {
    readonly criteria?: Partial<CriteriaPolicy>;
    readonly limits?: Partial<LimitsPolicy>;
  } = {},
): RoutePolicy {
  return {
    model: MODEL,
    endpoint: ENDPOINT_POLICY,
    ...POLICY_DEFAULTS,
    ...changes,
    criteria: { ...POLICY_DEFAULTS.criteria, ...changes.criteria },
    limits: { ...POLICY_DEFAULTS.limits, ...changes.limits },
  };
}

/** Figures of a role that answered everything in about half a second, and what a test wants otherwise. */
export function roleFigures(changes: Partial<RoleFigures> = {}): RoleFigures {
  return { ...NO_FIGURES, assigned: 300, decided: 300, p50: 400, p95: 900, ttftP50: 100, ttftP95: 200, ...changes };
}

/** A quiet observation: nothing holds, nothing is wrong, nobody asks for anything. */
export function observation(changes: Partial<Observation> = {}): Observation {
  return {
    now: START,
    model: MODEL,
    policy: routePolicy(),
    policyHash: 'hash',
    newPolicyHash: null,
    account: 'ok',
    demand: { calls: 0, agents: 0, derivedAgents: 0, refused: 0, refusedShare: 0, holdsSince: null },
    lastEndedAt: null,
    lastToward: null,
    survey: null,
    spending: null,
    budget: { file: NO_BUDGET, rollbackMs: 310_000 },
    next: { rolloutId: 'aaaabbbb', endpointName: 'writer-aaaabbbb' },
    endpoint: null,
    effects: [],
    results: {},
    figures: null,
    verdict: null,
    shadow: null,
    canaryFaultsInRow: 0,
    endpointFaultsInRow: 0,
    stableRecent: { attempts: 100, faults: 0, connectFailures: 0 },
    isDrained: true,
    request: null,
    openAskId: null,
    shapes: ['chat', 'chat+stream'],
    costs: null,
    back: null,
    ...changes,
  };
}

/** The event with which the rollout of these samples begins. */
export const PROPOSED: RolloutEvent = {
  type: 'proposed',
  rollout: {
    id: 'aaaabbbb',
    model: MODEL,
    policyHash: 'hash',
    toward: 'dedicated',
    createdAt: START,
    endpointName: 'writer-aaaabbbb',
    namespace: 'acme',
    pricePerHourMicros: 1_300_000,
    instance: INSTANCE,
    criteriaSince: START - 300_000,
  },
};

/** A rollout to which these events happened, all at START, after it was proposed. */
export function rolloutAfter(...events: readonly RolloutEvent[]): Rollout {
  return events.reduce((rollout, event) => evolve(rollout, event, START), evolve(null, PROPOSED, START));
}

/** The events that lead a proposed rollout to a warm endpoint without traffic. */
export const TO_WARM: readonly RolloutEvent[] = [
  { type: 'asked', step: 0, verdict: null },
  { type: 'approved', step: 0, by: 'ann@desk', reason: null },
  { type: 'provisioning_started' },
  { type: 'endpoint_ready', url: WARM.url },
  { type: 'warmed', endpoint: WARM, failed: [], profile: PROFILE, next: 'shadowing' },
  { type: 'shadow_ended', verdict: null },
];

/** A rollout that stands at a step since START: 0 = warm, no traffic yet; 5 = the last, with its control group. */
export function atStep(
  step: number,
  ...then: readonly RolloutEvent[]
): Extract<Rollout, { phase: 'stepping' | 'holding' }> {
  const rollout = rolloutAfter(...TO_WARM, ...enteredUpTo(step), ...then);
  if (rollout.phase !== 'stepping' && rollout.phase !== 'holding') throw new Error(`it is ${rollout.phase}`);
  return rollout;
}

/** The events that lead a warm endpoint up to a step. */
export function enteredUpTo(step: number): RolloutEvent[] {
  const { steps } = POLICY_DEFAULTS;
  return steps.slice(0, step).map((_, i) => ({
    type: 'step_entered',
    step: i + 1,
    weight: stopWeight(i + 1, POLICY_DEFAULTS, 'dedicated'),
    phase: i + 1 === steps.length ? 'holding' : 'stepping',
  }));
}

/** A rollout whose calls are being copied since START. */
export function shadowingRollout(...then: readonly RolloutEvent[]): Extract<Rollout, { phase: 'shadowing' }> {
  const rollout = rolloutAfter(...TO_WARM.slice(0, -1), ...then);
  if (rollout.phase !== 'shadowing') throw new Error(`it is ${rollout.phase}`);
  return rollout;
}

export function promotedRollout(): Extract<Rollout, { phase: 'promoted' }> {
  const rollout = evolve(atStep(5), { type: 'promoted' }, START);
  if (rollout.phase !== 'promoted') throw new Error(`expected a promoted rollout, got ${rollout.phase}`);
  return rollout;
}

/** Everything that happened to `promotedRollout()`, all at START. */
export const TO_PROMOTED: readonly RolloutEvent[] = [PROPOSED, ...TO_WARM, ...enteredUpTo(5), { type: 'promoted' }];

/** The proposal of a way back of that rollout. */
export function wayBackProposed(): RolloutEvent {
  const { id: replaces, endpoint, startedAt: runsSince, ...promoted } = promotedRollout();
  const { model, policyHash, createdAt, endpointName, namespace, pricePerHourMicros, instance, criteriaSince } =
    promoted;
  const fixed = { model, policyHash, createdAt, endpointName, namespace, pricePerHourMicros, instance, criteriaSince };
  const wayBack = { replaces, endpoint, profile: PROFILE, runsSince };
  return { type: 'proposed', rollout: { ...fixed, id: 'bbbbcccc', toward: 'serverless', wayBack } };
}

/** This way back, proposed at START, to which these events then happened. */
export function wayBackAfter(...events: readonly RolloutEvent[]): Rollout {
  return events.reduce((rollout, event) => evolve(rollout, event, START), evolve(null, wayBackProposed(), START));
}

/** A way back that stands at a step since START; 5 = the last, with its control group. */
export function backAtStep(step: number, ...then: readonly RolloutEvent[]): Rollout {
  const { steps } = POLICY_DEFAULTS;
  const entered: RolloutEvent[] = steps.slice(0, step).map((_, i) => ({
    type: 'step_entered',
    step: i + 1,
    weight: stopWeight(i + 1, POLICY_DEFAULTS, 'serverless'),
    phase: i + 1 === steps.length ? 'holding' : 'stepping',
  }));
  return wayBackAfter(...entered, ...then);
}
