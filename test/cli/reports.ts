import { CLOSED } from '../../src/core/care/breaker.ts';
import type { LaneKey, LaneStatus } from '../../src/core/care/lane-status.ts';
import type { RoleFigures } from '../../src/core/rollout/step-figures.ts';
import { NO_FIGURES } from '../../src/core/rollout/step-figures.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import type { RolloutStatus, RouteStatus, StatusReport } from '../../src/core/status.ts';
import { INSTANCE, NO_REPLICAS } from '../support/samples.ts';

/** 2026-11-24 12:00:00Z */
export const NOON = Date.UTC(2026, 10, 24, 12);
const MINUTE = 60_000;

export function makeReport(routes: readonly RouteStatus[], over: Partial<StatusReport> = {}): StatusReport {
  return {
    version: '0.1.0',
    pid: 4711,
    at: NOON,
    startedAt: NOON - 42 * MINUTE,
    gatewayPort: 8787,
    adminPort: 8788,
    timeScale: 1,
    policy: { path: 'policies/default.yaml', hash: '5f3a9c1e77', problem: null },
    account: { state: 'ok', name: 'acme' },
    ledger: { pending: 0, lost: 0, isDegraded: false, fault: null },
    gateway: {
      inFlight: 12,
      calls: 41_210,
      ineligible: 0,
      ineligibleBecause: {},
      withoutToken: 0,
      throughOutage: 0,
      localTrouble: null,
    },
    routes,
    endpoints: [],
    lanes: [],
    ...over,
  };
}

export function makeRoute(over: Partial<RouteStatus> = {}): RouteStatus {
  return {
    model: 'meta-llama/Llama-3.1-8B-Instruct',
    phase: 'watching',
    decision: {
      action: 'wait',
      reason: 'criteria_not_met',
      detail: '1810 calls, 64 agents, 2.1 % refused or delayed in 5 min',
      at: NOON,
    },
    demand: { calls: 1_810, agents: 64, derivedAgents: 0, refused: 38, refusedShare: 0.021, holdsSince: null },
    criteria: {
      ...POLICY_DEFAULTS.criteria,
      result: { holds: false, met: { calls: false, agents: true, refused: false } },
    },
    rollout: null,
    lastRollout: null,
    notes: [],
    traffic: null,
    ...over,
  };
}

/** A way to serverless that was used and is not short of anything. */
export function makeLane(over: Partial<LaneKey & LaneStatus> = {}): LaneKey & LaneStatus {
  return {
    model: 'meta-llama/Llama-3.1-8B-Instruct',
    provider: '',
    limit: null,
    isBlocked: false,
    isOut: false,
    faultsInRow: 0,
    inFlight: 0,
    inFlightLimit: null,
    waiting: 0,
    waitingAgents: 0,
    breaker: CLOSED,
    retryShare: 0,
    noCreditsAt: null,
    counts: { sent: 9_000, refusedByUpstream: 0, refusedHere: 0, held: 0, noCredits: 0 },
    providers: [],
    ...over,
  };
}

/** What a route looks like while its criteria hold. */
export const HOLDING: Partial<RouteStatus> = {
  demand: {
    calls: 2_113,
    agents: 64,
    derivedAgents: 0,
    refused: 167,
    refusedShare: 0.079,
    holdsSince: NOON - 6 * MINUTE,
  },
  criteria: { ...POLICY_DEFAULTS.criteria, result: { holds: true, met: { calls: true, agents: true, refused: true } } },
};

export function makeRollout(over: Partial<RolloutStatus> = {}): RolloutStatus {
  return {
    id: 'k3v9q2ab',
    toward: 'dedicated',
    createdAt: NOON - 20 * MINUTE,
    since: NOON - 6 * MINUTE,
    startedAt: NOON - 15 * MINUTE,
    isPaused: false,
    step: 2,
    steps: [0.1, 0.25, 0.5, 0.75, 1],
    weight: 0.25,
    assignedShare: 0.247,
    servedShare: 0.241,
    figures: { step: 2, stable: STABLE, canary: CANARY },
    verdict: {
      status: 'pass',
      summary: 'errors 0.10 % against 0.10 % (limit 0.60 %); p95 2900 ms against 3400 ms (limit 4080 ms)',
      cause: null,
      step: 2,
      stableCalls: 8_612,
      canaryCalls: 3_106,
      metrics: [],
      taken: { early: 11_718, full: 11_718, pairs: 0 },
    },
    shadow: null,
    bakeMs: 5 * MINUTE,
    minCalls: 200,
    endpointName: 'up-llama-3-1-8b-k3v9q2ab',
    instance: INSTANCE,
    endpoint: {
      at: NOON,
      state: 'running',
      url: 'https://x.example',
      isHealthy: true,
      badReadings: 0,
      isOurs: true,
      message: null,
      ...NO_REPLICAS,
    },
    pricePerHourMicros: 4_000_000,
    ask: null,
    ...over,
  };
}

const STABLE: RoleFigures = {
  ...NO_FIGURES,
  assigned: 8_640,
  decided: 8_612,
  faults: 9,
  refused: 512,
  saturated: 0,
  p50: 1_900,
  p95: 3_400,
  ttftP50: 410,
  ttftP95: 900,
};
const CANARY: RoleFigures = {
  ...NO_FIGURES,
  assigned: 2_834,
  decided: 2_830,
  faults: 3,
  refused: 0,
  saturated: 0,
  p50: 1_600,
  p95: 2_900,
  ttftP50: 310,
  ttftP95: 1_200,
};
