import { assignedTo, isDelayed } from '../../core/call.ts';
import type { Arrival, Call, Shadow } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { CostsOf } from '../../core/criteria/criteria.ts';
import type { EndpointSeen, StableRecent } from '../../core/decide/observation.ts';
import { RecentOutcomes } from '../../core/decide/recent-outcomes.ts';
import { hasOverflowed, OverflowDay } from '../../core/overflow/overflow-day.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { RejectedShapes } from '../../core/rejected-shapes.ts';
import { isLive, isSameEndpoint } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { WATCHED } from '../../core/rollout/route-state.ts';
import type { RouteState } from '../../core/rollout/route-state.ts';
import type { CallShape } from '../../core/route.ts';
import { RouteConcurrency } from '../../core/scaling/route-concurrency.ts';
import type { ConcurrencyCall } from '../../core/scaling/route-concurrency.ts';
import type { Costs } from '../../core/worth/traffic-history.ts';
import { NOTHING_LEARNED } from './learned-route.ts';
import type { LearnedRoute } from './learned-route.ts';
import { heededSigns, concurrencyCallOf } from './concurrency-calls.ts';
import { Reported } from './reported.ts';
import { RouteDemand } from './route-demand.ts';
import type { Rollback } from './rollback.ts';
import { RolloutMeasures } from './rollout-measures.ts';
import type { KnownFailure } from './rollout-measures.ts';
import { EndpointWorth, hasServingEndpoint, wayBackPolicy } from './worth.ts';

/** What a tick brings to a watch before it observes it. */
export interface Present {
  readonly nowMs: number;
  /** For how long nobody looked, if so long that what happened meanwhile is not known; else 0. */
  readonly holeMs: number;
  readonly isServerlessOut: boolean;
  /** What the route's calls cost on either side; null if that is unknown. */
  readonly costs: Costs | null;
  /** Eligible calls in flight, and how many of them are on the endpoint. */
  readonly inFlight: { readonly route: number; readonly endpoint: number };
}

interface WatchOptions {
  readonly learned?: LearnedRoute;
  /** What the demand of the window costs; null if that is unknown. */
  readonly costsOf?: CostsOf;
}

/**
 * Everything that is known of one route. The gateway reports each call to it, a tick lets it `advance`, and `observe`
 * reads it.
 */
export class RouteWatch {
  readonly model: string;
  readonly reported = new Reported();
  readonly demand: RouteDemand;
  readonly overflowDay = new OverflowDay();
  /** Shapes of which the endpoint rejects most calls. */
  readonly rejected: RejectedShapes;
  readonly #learned: LearnedRoute;
  readonly #shapes = new Set<CallShape>();
  readonly #recent = new RecentOutcomes();
  #filePolicy: RoutePolicy;
  #state = WATCHED;
  #measures: RolloutMeasures;
  #worth: EndpointWorth | null = null;
  #concurrency: RouteConcurrency | null = null;
  #perCallMicros: number | null;
  #observedAt = 0;
  #rollback: Rollback | null = null;

  constructor(
    model: string,
    policy: RoutePolicy,
    { learned = NOTHING_LEARNED, costsOf = () => null }: WatchOptions = {},
  ) {
    this.model = model;
    this.#filePolicy = policy;
    this.#learned = learned;
    this.demand = new RouteDemand(policy.criteria, costsOf, learned.nearMiss);
    this.#perCallMicros = learned.perCallMicros;
    this.rejected = new RejectedShapes(learned.rejections);
    this.#measures = new RolloutMeasures(null, policy);
    this.#countConcurrency();
  }

  /** What the policy file says today; a rollout pins what it said when it was proposed. */
  get filePolicy(): RoutePolicy {
    return this.#filePolicy;
  }

  /** The policy in force: the rollout's own, else the file's. */
  get policy(): RoutePolicy {
    return this.#state.active?.policy ?? this.#filePolicy;
  }

  /** The rollouts of the route, with the policies that they pin and their open questions. */
  get state(): RouteState {
    return this.#state;
  }

  /** The rollout that is not over; null if the route is only watched. */
  get rollout(): Rollout | null {
    return this.#state.active?.rollout ?? null;
  }

  /** What is measured of the rollout. */
  get measures(): RolloutMeasures {
    return this.#measures;
  }

  get endpoint(): EndpointSeen | null {
    return this.reported.endpoint;
  }

  get shapes(): ReadonlySet<CallShape> {
    return this.#shapes;
  }

  /** Whether the endpoint is still worth its price; null while no endpoint serves the route. */
  get worth(): Pick<EndpointWorth, 'knownSince' | 'latest' | 'slo'> | null {
    return this.#worth;
  }

  /** How many calls are at once, of a route that has an endpoint or may get one. */
  get concurrency(): Pick<RouteConcurrency, 'figures' | 'learned'> | null {
    return this.#concurrency;
  }

  /** What serverless did in the last minute. */
  get stableRecent(): StableRecent {
    return this.#recent.figures();
  }

  /** The mean cost of a recent call on serverless, micro-dollars; null if it is unknown. */
  get perCallMicros(): number | null {
    return this.#perCallMicros;
  }

  /** When a tick last looked at the route, clock ms; 0 before the first. */
  get observedAt(): number {
    return this.#observedAt;
  }

  /** A decision to roll back that the ledger cannot store yet: it is carried out in memory until it can. */
  get rollback(): Rollback | null {
    return this.#rollback;
  }

  /** Applies an edited policy file. Returns whether the window of the demand must be filled again. */
  adopt(policy: RoutePolicy, nowMs: number): boolean {
    this.#filePolicy = policy;
    this.#countConcurrency();
    this.#worth?.adopt(policy.back.slo, nowMs);
    return this.demand.adopt(policy.criteria, nowMs);
  }

  /** Enters another state. What belongs to a rollout or to its endpoint begins again with another one. */
  enter(state: RouteState): void {
    const before = this.rollout;
    this.#state = state;
    const { rollout } = this;
    if (rollout?.id === before?.id) this.#measures.changed(rollout);
    else {
      this.demand.forgetNear();
      this.#measures = new RolloutMeasures(rollout, this.policy);
      this.#rollback = null;
    }
    if (!isSameEndpoint(rollout, before)) this.reported.beginAgain();
    if (rollout?.phase === 'draining') this.#rollback = null;
    this.#countConcurrency();
    if (rollout === null) return;
    this.rejected.setEndpoint(rollout.endpointName);
    this.#concurrency?.setEndpoint(rollout.endpointName, heededSigns(this.policy));
  }

  #countConcurrency(): void {
    if (this.policy.endpoint === null) return;
    this.#concurrency ??= new RouteConcurrency(heededSigns(this.policy), this.#learned.concurrency);
  }

  /** Carries out a rollback that the ledger cannot store yet. */
  rollBack(rollback: Rollback): void {
    this.#rollback ??= rollback;
  }

  /** Brings everything that is measured up to now. Only then it is observed. */
  advance({ nowMs, holeMs, isServerlessOut, costs, inFlight }: Present): void {
    this.#observedAt = nowMs;
    if (holeMs > 0) {
      this.demand.window.interrupt(nowMs);
      this.#worth?.interrupt(nowMs, holeMs);
    } else this.demand.window.advance(nowMs);
    if (isServerlessOut) this.demand.window.isOut(nowMs);
    this.#recent.advance(nowMs);
    this.#measures.advance(nowMs);
    this.#concurrency?.sample(nowMs, inFlight, readyReplicas(this));
    if (!hasServingEndpoint(this.rollout)) this.#worth = null;
    const policy = wayBackPolicy(this);
    if (policy === null) return;
    this.#worth ??= new EndpointWorth(this.#filePolicy.back.slo, { knownSinceMs: nowMs, nowMs });
    this.#worth.advance(nowMs, policy.back, costs);
  }

  arrived(arrival: Arrival): void {
    const at = arrival.arrivedAtUs / 1_000;
    this.#shapes.add(arrival.shape);
    if (!arrival.isRepeat) {
      this.#worth?.arrived(at);
      if (assignedTo(arrival) === 'serverless') this.demand.window.arrived(at, arrival.agent, arrival.isAgentDerived);
    }
    this.#measures.arrived(arrival);
  }

  sent(arrival: Arrival, nowMs: number): void {
    if (this.#isDelayed(arrival)) this.demand.delayed(nowMs);
    this.#measures.sent(arrival);
  }

  /** Whether serverless could not take a call in time. Such a call counts as refused, once. */
  #isDelayed(arrival: Arrival): boolean {
    return isDelayed(arrival) && assignedTo(arrival) === 'serverless' && !arrival.isRepeat;
  }

  /** True if the canary or the endpoint has failed so often in a row that a tick should decide at once. */
  failed(arrival: Arrival, outcome: Outcome, known: KnownFailure): boolean {
    const { nowMs, upstream } = known;
    if (outcome === 'rate_limited' && upstream === 'serverless' && !arrival.isRepeat && !this.#isDelayed(arrival)) {
      this.demand.window.refused(nowMs);
    }
    const isOnEndpoint = assignedTo(arrival) === 'dedicated';
    if (isOnEndpoint && this.#measures.isFaultOf(arrival, outcome)) this.#worth?.failed(nowMs);
    return this.#measures.failed(arrival, outcome, known);
  }

  ended(call: Call, nowMs: number): void {
    for (const attempt of call.attempts) {
      if (attempt.upstream === 'serverless') this.#recent.add(nowMs, attempt.outcome, call.agent);
    }
    if (hasOverflowed(call)) this.overflowDay.count(nowMs);
    const kind = assignedTo(call);
    const isRepeat = call.repeatOfUs !== null;
    if (kind === 'serverless' && !isRepeat && call.wasFull !== true) this.demand.ended(call, nowMs);
    if (kind === 'dedicated' && call.outcome === 'ok' && this.#measures.has(call)) {
      this.#worth?.answered(nowMs, call.durationUs / 1_000);
    }
    const counted = this.#concurrency === null ? null : concurrencyCallOf(call, this.rollout);
    if (counted !== null) this.#concurrency?.ended(counted);
    this.#measures.ended(call);
  }

  /** A call went past the gateway. It counts as demand for serverless if it is recent, and is never judged. */
  bypassed(call: Call, nowMs: number): void {
    this.#shapes.add(call.shape);
    this.#worth?.arrived(call.arrivedAtUs / 1_000);
    this.demand.bypassed(call, nowMs);
  }

  /** A copy ended. True if the endpoint's faults in a row need a tick at once. */
  shadowed(arrival: Arrival, shadow: Shadow): boolean {
    return this.#measures.shadowed(arrival, shadow);
  }

  /**
   * The cost of a call was read anew. If nobody calls a route any more it is null. Then the last known one stays: the
   * route's endpoint is then the least worth its price.
   */
  priced(perCallMicros: number | null): void {
    this.#perCallMicros = perCallMicros ?? this.#perCallMicros;
  }

  /** A call of a former process had this shape; `call`: as the concurrency counts it, null if it does not. */
  restoreCall(shape: CallShape, call: ConcurrencyCall | null): void {
    this.#shapes.add(shape);
    if (call !== null) this.#concurrency?.ended(call);
  }

  /** The calls of a route with an endpoint are known since a time, and so many came in these minutes. */
  restoreTraffic(
    known: { readonly knownSinceMs: number; readonly nowMs: number },
    minutes: readonly { readonly atMs: number; readonly calls: number }[],
  ): void {
    this.#worth = new EndpointWorth(this.#filePolicy.back.slo, known);
    for (const { atMs, calls } of minutes) this.#worth.counted(atMs, calls);
  }
}

/** The endpoint's replicas that are ready; null if that is not known, or if no calls may go there. */
function readyReplicas({ rollout, endpoint }: Pick<RouteWatch, 'rollout' | 'endpoint'>): number | null {
  if (rollout === null || !isLive(rollout) || endpoint?.state !== 'running') return null;
  return endpoint.readyReplica;
}
