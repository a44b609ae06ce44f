import { assignedTo, DELAYED_US } from '../../core/call.ts';
import { isFault, isRejection } from '../../core/outcome.ts';
import type { Arrival, Call, Shadow } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import { judgeCriteria, needsServed, withCosts } from '../../core/criteria/criteria.ts';
import type { CostsOf, DemandFigures } from '../../core/criteria/criteria.ts';
import { DemandWindow } from '../../core/criteria/demand-window.ts';
import { servedOf } from '../../core/criteria/served-window.ts';
import type { EffectName, EffectResult, EndpointSeen, ShadowFigures, Survey } from '../../core/decide/observation.ts';
import { UpstreamFaults } from '../../core/decide/upstream-faults.ts';
import { RecentOutcomes } from '../../core/decide/recent-outcomes.ts';
import { knownFailure, knownOf } from '../../core/judge/call-order.ts';
import { keyOf } from '../../core/judge/shadow-pairs.ts';
import type { Verdict } from '../../core/judge/verdict.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { RejectedShapes } from '../../core/rejected-shapes.ts';
import { awaySince } from '../../core/rollout/detour.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { WATCHED } from '../../core/rollout/route-state.ts';
import type { RouteState } from '../../core/rollout/route-state.ts';
import type { RoleTally, StepFigures, TalliedCall } from '../../core/rollout/step-figures.ts';
import { upstreamOf } from '../../core/route.ts';
import type { CallShape, Role, Toward, UpstreamKind } from '../../core/route.ts';
import { RouteConcurrency } from '../../core/scaling/route-concurrency.ts';
import { isJudged, Judging } from './judging.ts';
import { NOTHING_LEARNED } from './learned-route.ts';
import type { LearnedRoute } from './learned-route.ts';
import { heededSigns, concurrencyCallOf } from './concurrency-calls.ts';
import type { Rollback } from './rollback.ts';
import { StepTallies } from './step-tallies.ts';
import { EndpointWorth } from './worth.ts';

const NO_SHADOW = { ended: 0, faults: 0 };

/** Everything that is known of one route. The gateway reports each call to it, and `observe` reads it. */
export class RouteWatch {
  readonly model: string;
  /** What the policy file says today; a rollout pins what it said when it was proposed. */
  filePolicy: RoutePolicy;
  survey: Survey | null = null;
  endpoint: EndpointSeen | null = null;
  readonly effects = new Set<EffectName>();
  readonly results: Partial<Record<EffectName, EffectResult>> = {};
  readonly shapes = new Set<CallShape>();
  readonly recent = new RecentOutcomes();
  window: DemandWindow;
  /** What the demand of the window costs; null if that is unknown. */
  costsOf: CostsOf = () => null;
  /** The mean cost of a recent call on serverless, micro-dollars; null if it is unknown. */
  perCallMicros: number | null;
  /** Measures whether the endpoint is still worth its price; null while no endpoint serves the route. */
  worth: EndpointWorth | null = null;
  /** In a row. */
  readonly canaryFaults = new UpstreamFaults();
  /** In a row, on a way back, where the endpoint is stable. */
  readonly endpointFaults = new UpstreamFaults();
  /** Copies that a former process made for the rollout. The policy limits the number of all copies. */
  copiedBefore = 0;
  /** What became of the copies of the shadow stage. */
  shadow: Pick<ShadowFigures, 'ended' | 'faults'> = NO_SHADOW;
  /** The longest that a call of the rollout was on the endpoint, clock ms. */
  longestOnEndpointMs = 0;
  /** When a tick last observed the route, clock ms; 0 before the first. */
  observedAt = 0;
  /** A decision to roll back that the ledger cannot store yet: it is carried out in memory until it can. */
  rollback: Rollback | null = null;
  /** Shapes of which the endpoint rejects most calls. */
  readonly rejected: RejectedShapes;
  #state = WATCHED;
  #steps = new StepTallies('dedicated');
  #judging: Judging | null = null;
  readonly #learned: LearnedRoute;
  #concurrency: RouteConcurrency | null = null;

  constructor(model: string, policy: RoutePolicy, learned = NOTHING_LEARNED) {
    this.model = model;
    this.filePolicy = policy;
    this.#learned = learned;
    this.perCallMicros = learned.perCallMicros;
    this.rejected = new RejectedShapes(learned.rejections);
    this.window = this.newWindow();
  }

  /** The policy in force: the rollout's own, else the file's. */
  get policy(): RoutePolicy {
    return this.#state.active?.policy ?? this.filePolicy;
  }

  /**
   * Applies an edited policy file. If the criteria changed, the time for which they held begins again. Returns whether
   * the window must be filled again, because its length changed or it must count answers from now on.
   */
  adopt(policy: RoutePolicy, nowMs: number): boolean {
    const before = this.filePolicy.criteria;
    this.filePolicy = policy;
    this.worth?.adopt(policy.back.slo, nowMs);
    if (JSON.stringify(before) !== JSON.stringify(policy.criteria)) this.window.interrupt(nowMs);
    return policy.criteria.window !== before.window || needsServed(policy.criteria) !== needsServed(before);
  }

  /** An empty window of the length in the policy file. */
  newWindow(): DemandWindow {
    return new DemandWindow(
      this.filePolicy.criteria.window,
      (figures) => judgeCriteria(this.#withCosts(figures), this.filePolicy.criteria).holds,
      needsServed(this.filePolicy.criteria),
    );
  }

  /** The figures that the criteria are compared with now. */
  demand(): DemandFigures {
    return this.#withCosts(this.window.figures());
  }

  #withCosts(figures: DemandFigures): DemandFigures {
    return withCosts(figures, this.filePolicy.criteria, (seen) => this.costsOf(seen));
  }

  /** The rollouts of the route, with the policies that they pin and their open questions. */
  get state(): RouteState {
    return this.#state;
  }

  /** The rollout that is not over; null if the route is only watched. */
  get rollout(): Rollout | null {
    return this.#state.active?.rollout ?? null;
  }

  /** Enters another state. What is measured of a rollout begins again with another rollout. */
  enter(state: RouteState): void {
    const before = this.rollout;
    this.#state = state;
    const { rollout } = this;
    if (rollout?.id !== before?.id) this.#beginAgain(rollout);
    const isElsewhere = rollout?.phase !== before?.phase || awaySince(rollout) !== awaySince(before);
    if (isElsewhere) this.canaryFaults.reset();
    if (rollout?.phase === 'draining') this.rollback = null;
    if (rollout !== null) {
      this.rejected.setEndpoint(rollout.endpointName);
      this.concurrency?.setEndpoint(rollout.endpointName, heededSigns(this.policy));
    }
    if (rollout === null || !('profile' in rollout)) this.#judging = null;
    else if (this.#judging?.rolloutId !== rollout.id) this.#judging = new Judging(rollout, this.policy);
  }

  #beginAgain(rollout: Rollout | null): void {
    this.#steps = new StepTallies(rollout?.toward ?? 'dedicated');
    this.canaryFaults.reset();
    this.endpointFaults.reset();
    this.shadow = NO_SHADOW;
    this.copiedBefore = 0;
    this.longestOnEndpointMs = 0;
    this.endpoint = null;
    this.rollback = null;
    for (const effect of Object.keys(this.results) as EffectName[]) delete this.results[effect];
  }

  /** How many calls are at once, of a route that has an endpoint or may get one. */
  get concurrency(): RouteConcurrency | null {
    if (this.policy.endpoint !== null)
      this.#concurrency ??= new RouteConcurrency(heededSigns(this.policy), this.#learned.concurrency);
    return this.#concurrency;
  }

  /** The judge of the active rollout, from the shadow stage to the promotion. */
  get judging(): Judging | null {
    return this.#judging;
  }

  /** The verdict on a step by now; null if nothing is judged. */
  verdict(step: number, nowMs: number): Verdict | null {
    return this.#judging?.verdict(step, nowMs) ?? null;
  }

  arrived(arrival: Arrival): void {
    const at = arrival.arrivedAtUs / 1_000;
    this.shapes.add(arrival.shape);
    if (!arrival.isRepeat) {
      this.worth?.arrived(at);
      if (assignedTo(arrival) === 'serverless') this.window.arrived(at, arrival.agent, arrival.isAgentDerived);
    }
    this.#tally(arrival)?.arrived();
    if (this.#isCurrent(arrival) && isJudged(arrival)) this.#judging?.assigned(arrival as Arrival & { role: Role });
  }

  sent(arrival: Arrival, nowMs: number): void {
    if (this.#isDelayed(arrival)) this.window.refused(nowMs);
    if (this.#isCurrent(arrival) && isJudged(arrival)) this.#judging?.sent(arrival, arrival.waitedUs);
  }

  /** Whether serverless could not take a call in time. Such a call counts as refused, once. */
  #isDelayed(arrival: Arrival): boolean {
    const isDelayed = arrival.waitedUs >= DELAYED_US && arrival.wasOut !== true;
    return isDelayed && assignedTo(arrival) === 'serverless' && !arrival.isRepeat;
  }

  /** True if the canary or the endpoint has failed so often in a row that a tick should decide at once. */
  failed(
    arrival: Arrival,
    outcome: Outcome,
    upstream: UpstreamKind,
    { knownAfterUs, nowMs }: { readonly knownAfterUs: number; readonly nowMs: number },
  ): boolean {
    if (this.#isCurrent(arrival) && isJudged(arrival)) {
      this.#judging?.known(arrival, knownFailure(outcome, knownAfterUs - arrival.waitedUs));
    }
    if (outcome === 'rate_limited' && upstream === 'serverless' && !arrival.isRepeat && !this.#isDelayed(arrival)) {
      this.window.refused(nowMs);
    }
    this.#tally(arrival)?.faulted(outcome);
    if (!this.#isCurrent(arrival)) return false;
    const kind = assignedTo(arrival);
    if (!isFault(outcome, kind, this.#toward)) return false;
    if (kind === 'dedicated') this.worth?.failed(nowMs);
    if (arrival.role === 'canary') this.canaryFaults.fault(outcome, arrival.agent);
    else if (kind === 'dedicated') this.endpointFaults.fault(outcome, arrival.agent);
    return Math.max(this.canaryFaults.count, this.endpointFaults.count) >= this.policy.limits.consecutiveFaults;
  }

  ended(call: Call, nowMs: number): void {
    for (const attempt of call.attempts) {
      if (attempt.upstream === 'serverless') this.recent.add(nowMs, attempt.outcome, call.agent);
    }
    if (assignedTo(call) === 'serverless' && call.repeatOfUs === null) this.window.ended(nowMs, nowMs, servedOf(call));
    if (call.outcome === 'ok' && this.#isCurrent(call)) this.#answered(call, nowMs);
    this.#tally(call)?.ended(call, call.outcome !== 'ok');
    const counted = this.concurrency === null ? null : concurrencyCallOf(call, this.rollout);
    if (counted !== null) this.concurrency?.ended(counted);
    if (!this.#isCurrent(call)) return;
    if (call.servedBy === 'dedicated') this.#wasOnEndpoint(call);
    if (call.hasShadow) this.#judging?.half('stable', keyOf(call), knownOf(call));
    else if (call.outcome === 'ok' && isJudged(call)) this.#judging?.known(call, knownOf(call));
  }

  #answered(call: Call, nowMs: number): void {
    if (call.role === 'canary') this.canaryFaults.reset();
    if (assignedTo(call) !== 'dedicated') return;
    this.worth?.answered(nowMs, call.durationUs / 1_000);
    this.endpointFaults.reset();
  }

  get #toward(): Toward {
    return this.rollout?.toward ?? 'dedicated';
  }

  /** A call went past the gateway. It counts as demand for serverless if it is recent, and is never judged. */
  bypassed({ arrivedAtUs, shape, agent, isAgentDerived, outcome }: Call, nowMs: number): void {
    this.shapes.add(shape);
    this.worth?.arrived(arrivedAtUs / 1_000);
    this.window.arrivedLate(
      arrivedAtUs / 1_000,
      nowMs,
      { agent, isDerived: isAgentDerived },
      outcome === 'rate_limited',
    );
  }

  /** A copy of the shadow stage ended. True if the endpoint's faults in a row need a tick at once. */
  shadowed(arrival: Arrival, shadow: Shadow): boolean {
    if (!this.#isCurrent(shadow)) return false;
    this.#judging?.half('canary', keyOf(arrival), shadow);
    this.shadow = { ...this.shadow, ended: this.shadow.ended + 1 };
    if (shadow.outcome === 'ok') this.canaryFaults.reset();
    if (!isFault(shadow.outcome, 'dedicated', this.#toward)) return false;
    this.shadow = { ...this.shadow, faults: this.shadow.faults + 1 };
    // Whose mistake a rejection is shows only with the live call.
    const isRejected = isRejection(shadow.status) && shadow.outcome !== 'paused';
    this.canaryFaults.fault(isRejected ? 'rejected_by_endpoint' : shadow.outcome, arrival.agent);
    return this.canaryFaults.count >= this.policy.limits.consecutiveFaults;
  }

  /** Counts a call from the ledger after a restart. */
  restore(step: number, role: Role, call: TalliedCall): void {
    if (upstreamOf(role, this.#toward) === 'dedicated') this.#wasOnEndpoint(call);
    const tally = this.#steps.of(step, role);
    tally.arrived();
    tally.ended(call, false);
  }

  #wasOnEndpoint({ durationUs }: Pick<Call, 'durationUs'>): void {
    this.longestOnEndpointMs = Math.max(this.longestOnEndpointMs, durationUs / 1_000);
  }

  /** Both roles of a step. `overdue`: calls in flight beyond the first-byte limit, per role. */
  figures(step: number, overdue: Readonly<Record<Role, number>>): StepFigures {
    return this.#steps.figures(step, overdue);
  }

  #isCurrent(call: { readonly rolloutId: string | null }): boolean {
    return this.rollout !== null && call.rolloutId === this.rollout.id;
  }

  #tally(call: Pick<Arrival, 'rolloutId' | 'role' | 'isEligible' | 'step'>): RoleTally | null {
    if (call.role === null || !call.isEligible || !this.#isCurrent(call)) return null;
    return this.#steps.of(call.step, call.role);
  }
}
