import { PROMPT_OFFSET } from './judge.ts';
import { ONE_APPROVAL } from './approvals.ts';
import { BACK_DEFAULTS } from './back.ts';
import { NO_BUDGET } from './budget.ts';
import { OVERFLOW_DEFAULTS } from './overflow.ts';
import type { RoutePolicy } from './policy.ts';
import { SCALING_DEFAULTS } from './scaling.ts';

/** The values of settings that a policy leaves out. */
export const POLICY_DEFAULTS: Omit<RoutePolicy, 'model' | 'endpoint'> = {
  approval: 'manual',
  approvals: ONE_APPROVAL,
  overEvidence: true,
  windows: [],
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
    errorRates: { falseRollback: 0.01, falsePass: 0.05, falsePassLast: 0.02 },
    metrics: {
      faults: { margin: 0.01, rollbackMargin: 0.005, weight: 5, judge: 'act' },
      speed: { margin: 0.15, rollbackMargin: 0.5, weight: 1, judge: 'act' },
      firstToken: { margin: 0.25, rollbackMargin: 1, weight: 1, judge: 'act' },
      perToken: { margin: 0.25, rollbackMargin: 1, weight: 1, judge: 'act' },
      tail: { margin: 0.01, rollbackMargin: 0.01, weight: 1, judge: 'act' },
      length: { margin: 0.15, rollbackMargin: 0.5, weight: 0.5, judge: 'act' },
      empty: { margin: 0.01, rollbackMargin: 0.01, weight: 0.5, judge: 'act' },
      tools: { margin: 0.02, rollbackMargin: 0.02, weight: 1, judge: 'act' },
      format: { margin: 0.02, rollbackMargin: 0.02, weight: 0.5, judge: 'act' },
      finish: { margin: 0.1, rollbackMargin: 0.2, weight: 0.5, judge: 'act' },
      leak: { margin: 0.01, rollbackMargin: 0.005, weight: 0.5, judge: 'act' },
      reasoning: { margin: 0.1, rollbackMargin: 0.2, weight: 0.5, judge: 'act' },
      promptTokens: { margin: PROMPT_OFFSET, judge: 'act' },
      agreement: { margin: 0.1, rollbackMargin: 0.2, weight: 0.5, judge: 'advise' },
    },
  },
  shadow: { share: 0.1, continue: 0.01, time: 600_000, concurrency: 8, calls: 10_000, exclude: [] },
  holdBack: { share: 0.03, time: 1_800_000 },
  back: BACK_DEFAULTS,
  care: {
    retries: { most: 5, base: 1_000, cap: 16_000, share: 0.2 },
    maxWait: 30_000,
    queue: 1_000,
    ramp: 180_000,
    breaker: { faults: 5, cooldown: 60_000, probes: 1 },
    providers: [],
    batch: { wait: 5, most: 1 },
  },
  overflow: OVERFLOW_DEFAULTS,
  scaling: SCALING_DEFAULTS,
  timeouts: {
    connect: 2_000,
    firstByte: 60_000,
    betweenChunks: 120_000,
    total: 1_800_000,
    serverless: { betweenChunks: 600_000, total: 7_200_000 },
  },
  budget: NO_BUDGET,
};
