import type { Arrival, AttemptRecord, Call } from '../../src/core/call.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { assignedTo, GATEWAY_ID } from '../../src/core/call.ts';
import type { Canary, Role, UpstreamKind } from '../../src/core/route.ts';
import { assign, unitOf } from '../../src/core/rollout/split.ts';

/** How each upstream answers. A share is a share of the calls that go to it. */
export interface Traffic {
  readonly agents: number;
  /** Share of serverless's calls that it answers with 429. */
  readonly refused: number;
  readonly endpoint: 'ok' | 'fail' | 'slow';
  readonly serverless: 'ok' | 'fail' | 'slow' | 'down';
  /** How long serverless takes, ms; 400 if absent. */
  readonly took?: number;
  /** Every fiftieth call takes so many times as long. */
  readonly spread?: number;
  /** How long the endpoint's answers take, ms. */
  readonly lasting?: number;
}

export interface OneCall {
  readonly arrival: Arrival;
  readonly call: Call;
}

const ANSWER_US = 400_000;
const SLOW_US = 2_000_000;

/** The n-th call of a traffic: its arrival, and the call with its assignment and its attempts. */
export function makeCall(n: number, atMs: number, model: string, canary: Canary | null, traffic: Traffic): OneCall {
  const agent = `agent-${n % traffic.agents}`;
  const arrivedAtUs = Math.round(atMs * 1_000);
  const unit = canary === null ? null : unitOf(canary, { arrivedAtUs, agent, session: null });
  const role: Role | null = canary === null ? null : assign(canary, arrivedAtUs, unit);
  const isWayBack = canary?.toward === 'serverless';
  const attempts = attempt(n, assignedTo({ role, isWayBack }), traffic);
  const [first] = attempts as [AttemptRecord];
  const last = attempts.at(-1) as AttemptRecord;
  const isAnswered = last.status !== 0;
  const shared = {
    gatewayId: GATEWAY_ID,
    arrivedAtUs,
    model,
    shape: 'chat',
    agent,
    isAgentDerived: false,
    rolloutId: canary?.rolloutId ?? null,
    step: canary?.step ?? 0,
    weight: canary?.weight ?? 0,
    role,
    isEligible: canary !== null,
    hasNoToken: false,
    ...(unit !== null && { unit }),
    ...(isWayBack && { isWayBack }),
  };
  const call: Call = {
    ...shared,
    durationUs: attempts.reduce((sum, { durationUs }) => sum + durationUs, 0),
    servedBy: isAnswered ? last.upstream : null,
    status: isAnswered ? last.status : 502,
    outcome: first.outcome,
    finalOutcome: last.outcome,
    hasClientLeft: false,
    firstByteUs: isAnswered ? ANSWER_US / 2 : null,
    firstTokenUs: last.outcome === 'ok' ? ANSWER_US / 2 : null,
    promptTokens: 200,
    outputTokens: 50,
    isEmpty: false,
    form: null,
    requestBytes: 1_000,
    responseBytes: 2_000,
    repeatOfUs: null,
    hasShadow: false,
    waitedUs: 0,
    attempts,
  };
  return { arrival: { ...shared, assignedAtUs: arrivedAtUs, isRepeat: false, waitedUs: 0 }, call };
}

function attempt(n: number, kind: UpstreamKind, traffic: Traffic): AttemptRecord[] {
  // The same share in every stretch: the fraction of n * refused that overflows.
  const isRefused = Math.floor((n + 1) * traffic.refused) > Math.floor(n * traffic.refused);
  const bySide = {
    ok: isRefused ? ('rate_limited' as const) : ('ok' as const),
    slow: 'ok',
    fail: 'server_error',
    down: 'connect_failed',
  } as const;
  const isSlow = traffic.serverless === 'slow';
  const tookUs =
    (traffic.took ?? (isSlow ? SLOW_US : ANSWER_US) / 1_000) * 1_000 * (n % 50 === 0 ? (traffic.spread ?? 1) : 1);
  const serverless = tried('serverless', bySide[traffic.serverless], tookUs);
  if (kind === 'serverless') return [serverless];
  if (traffic.endpoint === 'fail') return [tried('dedicated', 'server_error'), serverless];
  const answerUs = traffic.lasting === undefined ? ANSWER_US : traffic.lasting * 1_000;
  return [tried('dedicated', 'ok', traffic.endpoint === 'slow' ? SLOW_US : answerUs)];
}

const STATUS: Partial<Record<Outcome, number>> = { ok: 200, rate_limited: 429, server_error: 500 };

function tried(upstream: UpstreamKind, outcome: Outcome, durationUs = ANSWER_US): AttemptRecord {
  const status = STATUS[outcome] ?? 0;
  return {
    upstream,
    startedAfterUs: 0,
    status,
    outcome,
    firstByteUs: status === 0 ? null : durationUs / 2,
    durationUs,
  };
}
