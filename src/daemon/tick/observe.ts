import { randomBytes } from 'node:crypto';
import { assignedTo } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { BackSeen, Frozen, Observation, OperatorRequest } from '../../core/decide/observation.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { ShadowFigures } from '../../core/rollout/ask.ts';
import { awaySince } from '../../core/rollout/detour.ts';
import { isLive, weights } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import type { Role } from '../../core/route.ts';
import type { Costs } from '../../core/worth/traffic-history.ts';
import { closedAt } from '../../files/windows.ts';
import type { Gateway } from '../../gateway/server.ts';
import { endpointName } from '../../huggingface/management/spec.ts';
import { drainPatienceMs, rollbackMs } from '../money/spending.ts';
import { concurrencySeen, endpointLoadOf, serverlessLimit } from '../route/concurrency.ts';
import { serverlessFaultsInRow } from '../route/outage.ts';
import { timeoutsOf } from '../route/routes.ts';
import type { Reported } from '../route/reported.ts';
import type { RouteDemand } from '../route/route-demand.ts';
import type { RolloutMeasures } from '../route/rollout-measures.ts';
import type { RouteWatch } from '../route/watch.ts';
import { wayBackPolicy } from '../route/worth.ts';

export interface ObserveContext {
  readonly clock: Pick<Clock, 'scale'>;
  readonly gateway: Pick<Gateway, 'inFlight' | 'shadowCounts' | 'lanes' | 'endpointLoad'>;
  readonly account: Observation['account'];
  /** The freeze of all routes; null if there is none. */
  readonly frozen: Frozen | null;
  /** Hash of the policy that is in force for the route, and of the file. */
  readonly policyHash: string;
  readonly filePolicyHash: string;
  readonly spending: Spending | null;
  /** The id that a rollout gets if one is proposed now. */
  readonly newRolloutId: string;
  /** What the calls of the route cost on either side; null if that is unknown. */
  readonly costs: Costs | null;
}

/** What an observation reads of a watch. Nothing in it changes the watch. */
export interface Watched extends Pick<
  RouteWatch,
  | 'model'
  | 'policy'
  | 'filePolicy'
  | 'state'
  | 'rollout'
  | 'observedAt'
  | 'shapes'
  | 'stableRecent'
  | 'worth'
  | 'concurrency'
> {
  readonly demand: Pick<RouteDemand, 'figures' | 'holdsSince' | 'outage'>;
  readonly reported: Pick<Reported, 'running' | 'results' | 'endpoint' | 'survey'>;
  readonly measures: Pick<
    RolloutMeasures,
    | 'figures'
    | 'verdict'
    | 'shadow'
    | 'canaryFaultsInRow'
    | 'endpointFaultsInRow'
    | 'canaryFaultRow'
    | 'endpointFaultRow'
    | 'endpointAnsweredAt'
    | 'lastCallAt'
    | 'longestOnEndpointMs'
  >;
}

/**
 * Gathers everything that a decision about a route may look at, as it was when the watch last moved on. It changes
 * nothing.
 */
export function observe(watch: Watched, request: OperatorRequest | null, context: ObserveContext): Observation {
  const { rollout, policy, filePolicy, state, reported, measures, observedAt: now } = watch;
  const { account, clock, gateway, policyHash, filePolicyHash, newRolloutId: rolloutId, frozen } = context;
  const { step } = weights(rollout, policy);
  const flight = observeInFlight(watch, step, context);
  const outage = watch.demand.outage(now);
  const held = heldBy(state.last);
  // Those of the policy file, so that an edit of them acts at once.
  const closed = closedAt(filePolicy.windows, now);
  return {
    now,
    model: watch.model,
    policy,
    policyHash,
    newPolicyHash: policyHash === filePolicyHash ? null : filePolicyHash,
    account,
    demand: { ...watch.demand.figures(), holdsSince: watch.demand.holdsSince },
    ...(outage !== null && { outage }),
    lastEndedAt: state.last?.since ?? null,
    lastToward: state.last?.toward ?? null,
    ...(held !== null && { held }),
    ...(frozen !== null && { frozen }),
    ...(closed !== null && { closed }),
    survey: reported.survey,
    spending: context.spending,
    budget: { file: filePolicy.budget, rollbackMs: rollbackMs(watch, clock) },
    next: { rolloutId, endpointName: endpointName(watch.model, rolloutId) },
    endpoint: reported.endpoint,
    effects: reported.running,
    results: reported.results,
    figures: rollout !== null && isLive(rollout) ? measures.figures(step, flight.overdue) : null,
    verdict: measures.verdict(step),
    shadow: shadowFigures(watch, gateway),
    canaryFaultsInRow: measures.canaryFaultsInRow,
    endpointFaultsInRow: measures.endpointFaultsInRow,
    ...faultRows(measures),
    ...(measures.endpointAnsweredAt !== null && { endpointAnsweredAt: measures.endpointAnsweredAt }),
    ...(measures.lastCallAt !== null && { lastCallAt: measures.lastCallAt }),
    stableRecent: stableRecentOf(watch, gateway),
    isDrained: isDrained(watch, flight.endpoint, clock),
    request: request === null ? null : requestOf(request),
    openAskId: state.active?.askId ?? null,
    ...observeScaling(watch, gateway),
    shapes: [...watch.shapes].sort(),
    costs: context.costs,
    back: observeBack(watch, context),
  };
}

function faultRows({ canaryFaultRow, endpointFaultRow }: Watched['measures']): Partial<Observation> {
  return {
    ...(canaryFaultRow !== null && { canaryFaultRow }),
    ...(endpointFaultRow !== null && { endpointFaultRow }),
  };
}

/** The abort by a person that nobody has lifted; null if there is none. */
function heldBy(last: Rollout | null): Observation['held'] | null {
  return last?.abortedBy === undefined ? null : { ...last.abortedBy, rolloutId: last.id, toward: last.toward };
}

function stableRecentOf(watch: Watched, gateway: ObserveContext['gateway']): Observation['stableRecent'] {
  const faultsInRow = serverlessFaultsInRow(watch, gateway);
  return { ...watch.stableRecent, ...(faultsInRow > 0 && { faultsInRow }) };
}

/** The concurrency of a rollout whose endpoint serves calls, and how many calls either side could take. */
function observeScaling(
  watch: Watched,
  gateway: ObserveContext['gateway'],
): Pick<Observation, 'concurrency' | 'serverlessLimit' | 'endpointFullAt'> {
  const concurrency = concurrencySeen(watch);
  if (concurrency === undefined) return {};
  const fullAt = endpointLoadOf(watch, gateway)?.fullAt ?? null;
  const endpointFullAt = fullAt === null ? {} : { endpointFullAt: Math.round(fullAt * 1_000) / 1_000 };
  return { concurrency, serverlessLimit: serverlessLimit(watch, gateway), ...endpointFullAt };
}

/** What a decision about a way back needs; null if there is no way back. */
function observeBack(watch: Watched, { gateway }: ObserveContext): BackSeen | null {
  const policy = wayBackPolicy(watch);
  if (policy === null) return null;
  return {
    policy: policy.back,
    refusedMost: policy.back.refused ?? policy.criteria.refused,
    traffic: watch.worth?.latest ?? null,
    slo: watch.worth?.slo ?? null,
    serverlessLimit: serverlessLimit(watch, gateway),
  };
}

/** The results of the copies so far; null outside the shadow stage. */
export function shadowFigures(
  { rollout, measures: { shadow } }: Pick<Watched, 'rollout' | 'measures'>,
  gateway: Pick<Gateway, 'shadowCounts'>,
): ShadowFigures | null {
  if (rollout?.phase !== 'shadowing') return null;
  const { sent, busy, usedUp } = gateway.shadowCounts(rollout.id);
  return { sent, dropped: busy + usedUp, ...shadow };
}

/** The part of a request that a decision may depend on and that is stored with it. */
export function requestOf(request: OperatorRequest): OperatorRequest {
  const { id, kind, rolloutId, askId, step, reason, by, uid, withdrawnBy } = request;
  return { id, kind, rolloutId, askId, step, reason, by, uid, ...(withdrawnBy !== undefined && { withdrawnBy }) };
}

interface InFlight {
  /** Calls assigned to the endpoint, by this rollout or the one before, that have not ended. */
  readonly endpoint: number;
  /** Calls of the current step that have waited for a first byte longer than the policy allows. */
  readonly overdue: Record<Role, number>;
}

function observeInFlight(watch: Watched, step: number, { clock, gateway }: ObserveContext): InFlight {
  const overdue: Record<Role, number> = { stable: 0, canary: 0 };
  let endpoint = 0;
  const { rollout } = watch;
  if (rollout === null) return { endpoint, overdue };
  const oldestUs = (watch.observedAt - timeoutsOf(watch.policy, clock).firstByteMs * clock.scale) * 1_000;
  for (const { arrival, hasFirstByte, isDecided, isOnEndpoint } of gateway.inFlight()) {
    const { role } = arrival;
    if (arrival.model === watch.model && (isOnEndpoint || assignedTo(arrival) === 'dedicated')) endpoint++;
    if (arrival.rolloutId !== rollout.id || role === null || !arrival.isEligible) continue;
    if (arrival.step === step && !hasFirstByte && !isDecided && arrival.arrivedAtUs < oldestUs) overdue[role]++;
  }
  return { endpoint, overdue };
}

function isDrained(watch: Watched, inFlight: number, clock: ObserveContext['clock']): boolean {
  const { rollout } = watch;
  const since = rollout?.phase === 'draining' ? rollout.since : awaySince(rollout);
  if (rollout === null || since === null) return false;
  if (inFlight === 0) return true;
  return (watch.observedAt - since) / clock.scale > drainPatienceMs(rollout, watch, clock);
}

/** Eight random lower-case letters and digits, without those that look alike (i, l, o, 0, 1). */
export function newRolloutId(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  return Array.from(randomBytes(8), (byte) => letters[byte % letters.length]).join('');
}
