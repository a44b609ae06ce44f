import { assignedTo } from '../core/call.ts';
import type { Call } from '../core/call.ts';
import type { RoutePolicy } from '../core/policy.ts';
import type { Rollout } from '../core/rollout.ts';
import { isLive } from '../core/rollout.ts';
import type { HeededSigns } from '../core/scaling/capacity.ts';
import { presentScaling } from '../core/scaling/price.ts';
import type { RolloutStatus, StatusReport } from '../core/status.ts';
import type { LoadCall, LoadSeen } from '../core/scaling/load.ts';
import type { Gateway } from '../gateway/server.ts';
import type { LoggedCall } from '../ledger/history.ts';
import type { Journal } from '../ledger/journal.ts';
import type { Routes } from './routes.ts';
import type { RouteWatch } from './watch.ts';

/** A call as the load counts it; null where an endpoint could not have taken it, or nothing was sent. */
export function loadCallOf(call: Call, rollout: Rollout | null): LoadCall | null {
  const [first] = call.attempts;
  if (first === undefined || (call.rolloutId !== null && !call.isEligible)) return null;
  const { startedAfterUs } = first;
  const isOnEndpoint = first.upstream === 'dedicated' && call.rolloutId === rollout?.id;
  return {
    setOutAtUs: call.arrivedAtUs + startedAfterUs,
    durationUs: isOnEndpoint ? first.durationUs : Math.max(0, call.durationUs - startedAfterUs),
    isOnEndpoint,
    outcome: first.outcome,
    firstByteUs: first.firstByteUs,
    firstTokenUs: call.firstTokenUs === null ? null : Math.max(0, call.firstTokenUs - startedAfterUs),
    outputTokens: call.outputTokens,
  };
}

/** The same from a row of the ledger: what it took on the endpoint is told only where the endpoint's answer was the last. */
export function loggedLoadCall(call: LoggedCall): LoadCall | null {
  if (call.role !== null && !call.isEligible) return null;
  return {
    setOutAtUs: call.arrivedAtUs + call.waitedUs,
    durationUs: Math.max(0, call.durationUs - call.waitedUs),
    isOnEndpoint: call.servedBy === 'dedicated',
    outcome: call.outcome,
    firstByteUs: call.firstByteUs === null ? null : Math.max(0, call.firstByteUs - call.waitedUs),
    firstTokenUs: null,
    outputTokens: null,
  };
}

/** The signs of a full replica that the policy's judge acts on. */
export function heededSigns({ judge: { metrics } }: Pick<RoutePolicy, 'judge'>): HeededSigns {
  const acts = (...names: (keyof typeof metrics)[]) => names.some((name) => metrics[name].judge === 'act');
  return { firstToken: acts('firstToken'), other: acts('perToken', 'speed') };
}

/** Looks at what is in flight and tells the load so far; undefined for a route that has no endpoint. */
export function lookAtLoad(watch: RouteWatch, nowMs: number, gateway: Pick<Gateway, 'inFlight'>): LoadSeen | undefined {
  const { load, rollout } = watch;
  if (load === null) return undefined;
  const inFlight = { route: 0, endpoint: 0 };
  const isServing = rollout !== null && isLive(rollout);
  for (const { arrival, isDecided } of isServing ? gateway.inFlight() : []) {
    if (arrival.rolloutId !== rollout?.id || !arrival.isEligible) continue;
    inFlight.route++;
    if (assignedTo(arrival) === 'dedicated' && !isDecided) inFlight.endpoint++;
  }
  const isFresh = isServing && watch.endpoint?.state === 'running';
  load.look(nowMs, inFlight, isFresh ? (watch.endpoint?.readyReplica ?? null) : null);
  return isServing ? load.figures(nowMs, rollout.since) : undefined;
}

/** Calls in five minutes that all ways to serverless take together; null where one of them has not shown it. */
export function serverlessLimit(
  { model, filePolicy }: Pick<RouteWatch, 'model' | 'filePolicy'>,
  gateway: Pick<Gateway, 'lanes'>,
): number | null {
  const lanes = [...gateway.lanes()].filter((lane) => lane.model === model);
  let sum = 0;
  for (const way of ['', ...filePolicy.care.providers]) {
    const limit = lanes.find(({ provider }) => provider === way)?.limit ?? null;
    if (limit === null) return null;
    sum += limit;
  }
  return sum;
}

/** What `status` shows of a rollout's load and scaling. */
export function reportScaling(watch: RouteWatch): Pick<RolloutStatus, 'scaling' | 'load' | 'detour'> {
  const { rollout, load, observedAt } = watch;
  return {
    ...(rollout?.phase === 'promoted' && { scaling: presentScaling(rollout, watch.policy.endpoint) }),
    ...(rollout?.phase === 'promoted' && rollout.detour !== undefined && { detour: rollout.detour }),
    ...(rollout !== null && isLive(rollout) && load !== null && { load: load.figures(observedAt, rollout.since) }),
  };
}

/** Goes on from what a former process learned of the load, and of what calls cost, as its last status told. */
export async function restoreLoad(routes: Routes, journal: Pick<Journal, 'savedStatus'>): Promise<void> {
  const saved = await journal.savedStatus();
  const told = saved === null ? [] : ((JSON.parse(saved) as Partial<StatusReport>).routes ?? []);
  for (const { model, learnedLoad, perCallMicros = null } of told) {
    const watch = routes.isListed(model) ? routes.watch(model) : null;
    if (watch === null) continue;
    if (learnedLoad !== undefined) watch.learnLoad(learnedLoad);
    watch.perCallMicros = perCallMicros;
  }
}
