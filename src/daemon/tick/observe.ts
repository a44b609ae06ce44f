import { randomBytes } from 'node:crypto';
import { assignedTo } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { BackSeen, Observation, OperatorRequest, ShadowFigures } from '../../core/decide/observation.ts';
import { awaySince } from '../../core/rollout/detour.ts';
import { isLive, weights } from '../../core/rollout/rollout.ts';
import type { Role } from '../../core/route.ts';
import type { Costs } from '../../core/worth/traffic-history.ts';
import type { Gateway } from '../../gateway/server.ts';
import { endpointName } from '../../huggingface/management/spec.ts';
import { drainPatienceMs, rollbackMs } from '../money/spending.ts';
import type { SpendingSource } from '../money/spending.ts';
import { sampleConcurrency, serverlessLimit } from '../route/concurrency.ts';
import { isServerlessOut } from '../route/outage.ts';
import { timeoutsOf } from '../route/routes.ts';
import type { RouteWatch } from '../route/watch.ts';
import { EndpointWorth, hasServingEndpoint } from '../route/worth.ts';

/** If the last observation is older than this, in real time, the process was stopped: its data has a gap there. */
const GAP_MS = 10_000;

export interface ObserveContext {
  readonly clock: Clock;
  readonly gateway: Pick<Gateway, 'inFlight' | 'shadowCounts' | 'lanes'>;
  readonly account: Observation['account'];
  /** Hash of the policy that is in force for the route, and of the file. */
  readonly policyHash: (watch: RouteWatch) => string;
  readonly filePolicyHash: string;
  readonly spending: Pick<SpendingSource, 'of'>;
  readonly newRolloutId: () => string;
  /** What the calls of a route cost on either side; null if that is unknown. */
  readonly costs: (watch: RouteWatch) => Costs | null;
}

/**
 * Gathers everything that a decision about a route may look at. It also brings what the watch measures up to now:
 * windows advance, or are interrupted after a gap, and `watch.worth` begins or ends with an endpoint that serves the
 * route.
 */
export function observe(watch: RouteWatch, request: OperatorRequest | null, context: ObserveContext): Observation {
  const now = Math.floor(context.clock.now());
  const holeMs = now - watch.observedAt;
  if (holeMs / context.clock.scale > GAP_MS && watch.observedAt > 0) {
    watch.window.interrupt(now);
    watch.worth?.interrupt(now, holeMs);
  } else watch.window.advance(now);
  if (isServerlessOut(watch, context.gateway)) watch.window.isOut(now);
  watch.observedAt = now;
  const { rollout } = watch;
  const rolloutId = context.newRolloutId();
  const policyHash = context.policyHash(watch);
  const { step } = weights(rollout, watch.policy);
  const flight = observeInFlight(watch, step, context);
  const costs = context.costs(watch);
  const outage = watch.window.outage(now);
  return {
    now,
    model: watch.model,
    policy: watch.policy,
    policyHash,
    newPolicyHash: policyHash === context.filePolicyHash ? null : context.filePolicyHash,
    account: context.account,
    demand: { ...watch.demand(), holdsSince: watch.window.holdsSince },
    ...(outage !== null && { outage }),
    lastEndedAt: watch.state.last?.since ?? null,
    lastToward: watch.state.last?.toward ?? null,
    survey: watch.survey,
    spending: context.spending.of(watch),
    budget: { file: watch.filePolicy.budget, rollbackMs: rollbackMs(watch, context.clock) },
    next: { rolloutId, endpointName: endpointName(watch.model, rolloutId) },
    endpoint: watch.endpoint,
    effects: [...watch.effects],
    results: { ...watch.results },
    figures: rollout !== null && isLive(rollout) ? watch.figures(step, flight.overdue) : null,
    verdict: watch.verdict(step, now),
    shadow: shadowFigures(watch, context.gateway),
    canaryFaultsInRow: watch.canaryFaults.count,
    endpointFaultsInRow: watch.endpointFaults.count,
    stableRecent: watch.recent.figures(now),
    isDrained: isDrained(watch, flight.endpoint, context.clock),
    request: request === null ? null : requestOf(request),
    openAskId: watch.state.active?.askId ?? null,
    ...observeScaling(watch, now, context.gateway),
    shapes: [...watch.shapes].sort(),
    costs,
    back: observeBack(watch, now, costs, context),
  };
}

/** The concurrency of a rollout whose endpoint serves calls, and how many calls serverless could take instead. */
function observeScaling(
  watch: RouteWatch,
  nowMs: number,
  gateway: ObserveContext['gateway'],
): Pick<Observation, 'concurrency' | 'serverlessLimit'> {
  const concurrency = sampleConcurrency(watch, nowMs, gateway);
  return concurrency === undefined ? {} : { concurrency, serverlessLimit: serverlessLimit(watch, gateway) };
}

/** What a decision about a way back needs; null if no endpoint serves the route. */
function observeBack(
  watch: RouteWatch,
  nowMs: number,
  costs: Costs | null,
  { gateway }: ObserveContext,
): BackSeen | null {
  const { rollout, filePolicy } = watch;
  if (!hasServingEndpoint(rollout)) {
    watch.worth = null;
    return null;
  }
  const policy = rollout.phase === 'promoted' ? filePolicy : watch.policy;
  // If the policy file no longer lists the route, a way back has no policy to pin.
  if (policy.endpoint === null) return null;
  watch.worth ??= new EndpointWorth(filePolicy.back.slo, { knownSinceMs: nowMs, nowMs });
  return {
    policy: policy.back,
    refusedMost: policy.back.refused ?? policy.criteria.refused,
    traffic: watch.worth.traffic(nowMs, policy.back, costs),
    slo: watch.worth.slo(nowMs),
    serverlessLimit: serverlessLimit(watch, gateway),
  };
}

/** The results of the copies so far; null outside the shadow stage. */
export function shadowFigures(
  { rollout, shadow }: RouteWatch,
  gateway: Pick<Gateway, 'shadowCounts'>,
): ShadowFigures | null {
  if (rollout?.phase !== 'shadowing') return null;
  const { sent, busy, usedUp } = gateway.shadowCounts(rollout.id);
  return { sent, dropped: busy + usedUp, ...shadow };
}

/** The part of a request that a decision may depend on and that is stored with it. */
export function requestOf({ id, kind, rolloutId, askId, step, reason, by, uid }: OperatorRequest): OperatorRequest {
  return { id, kind, rolloutId, askId, step, reason, by, uid };
}

interface InFlight {
  /** Calls assigned to the endpoint, by this rollout or the one before, that have not ended. */
  readonly endpoint: number;
  /** Calls of the current step that have waited for a first byte longer than the policy allows. */
  readonly overdue: Record<Role, number>;
}

function observeInFlight(watch: RouteWatch, step: number, { clock, gateway }: ObserveContext): InFlight {
  const overdue: Record<Role, number> = { stable: 0, canary: 0 };
  let endpoint = 0;
  const { rollout } = watch;
  if (rollout === null) return { endpoint, overdue };
  const oldestUs = (clock.now() - timeoutsOf(watch.policy, clock).firstByteMs * clock.scale) * 1_000;
  for (const { arrival, hasFirstByte, isDecided } of gateway.inFlight()) {
    const { role } = arrival;
    if (arrival.model === watch.model && assignedTo(arrival) === 'dedicated') endpoint++;
    if (arrival.rolloutId !== rollout.id || role === null || !arrival.isEligible) continue;
    if (arrival.step === step && !hasFirstByte && !isDecided && arrival.arrivedAtUs < oldestUs) overdue[role]++;
  }
  return { endpoint, overdue };
}

function isDrained(watch: RouteWatch, inFlight: number, clock: Clock): boolean {
  const { rollout } = watch;
  const since = rollout?.phase === 'draining' ? rollout.since : awaySince(rollout);
  if (rollout === null || since === null) return false;
  if (inFlight === 0) return true;
  return (clock.now() - since) / clock.scale > drainPatienceMs(rollout, watch, clock);
}

/** Eight random lower-case letters and digits, without those that look alike (i, l, o, 0, 1). */
export function newRolloutId(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  return Array.from(randomBytes(8), (byte) => letters[byte % letters.length]).join('');
}
