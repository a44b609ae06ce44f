import { assignedTo } from '../../core/call.ts';
import type { Arrival, Call, CallObserver, Shadow } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Clock } from '../../core/clock.ts';
import type { DemandCosts, DemandFigures } from '../../core/criteria/criteria.ts';
import type { IneligibleReason } from '../../core/eligibility.ts';
import type { EndpointLimits } from '../../core/endpoint-limits.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import { isStill } from '../../core/rollout/pauses.ts';
import { endpointOf, throughOf, weights } from '../../core/rollout/rollout.ts';
import type { Rollout, WarmEndpoint } from '../../core/rollout/rollout.ts';
import { AGENT_BLOCK_MS } from '../../core/rollout/split.ts';
import type { Canary, RouteEntry, RouteTable, ShadowShare, Timeouts, UpstreamKind } from '../../core/route.ts';
import { engineLimits } from '../../core/sizing/engine-limits.ts';
import { carriedAtOnce } from './concurrency.ts';
import { NOTHING_LEARNED } from './learned-route.ts';
import type { LearnedRoute } from './learned-route.ts';
import { RouteWatch } from './watch.ts';

const MOST_WATCHED = 1_000;
const MOST_SHOWN = 20;

/** What the demand of a route's window costs; null if that is unknown. */
type CostsOfRoute = (watch: RouteWatch, figures: DemandFigures) => DemandCosts | null;

/** All routes. The gateway reports calls to it and reads the routing table from it. */
export class Routes implements CallObserver {
  readonly #watches = new Map<string, RouteWatch>();
  readonly #clock: Clock;
  readonly #faulted: (watch: RouteWatch) => void;
  readonly #learned: (model: string) => LearnedRoute;
  readonly #costsOf: CostsOfRoute;
  #policy: Policy;
  #table: RouteTable;
  #generation = 0;
  counts = { calls: 0, ineligible: 0, withoutToken: 0, throughOutage: 0 };
  /** Of the ineligible calls, how many for which reason. */
  readonly ineligible: Partial<Record<IneligibleReason, number>> = {};

  /**
   * `faulted` is called when a canary has failed so often in a row that a tick should not wait for its time. `learned`:
   * what former processes have learned of a model. `costsOf`: what the demand of a window costs.
   */
  constructor(
    policy: Policy,
    clock: Clock,
    faulted: (watch: RouteWatch) => void,
    learned: (model: string) => LearnedRoute = () => NOTHING_LEARNED,
    costsOf: CostsOfRoute = () => null,
  ) {
    this.#policy = policy;
    this.#clock = clock;
    this.#faulted = faulted;
    this.#learned = learned;
    this.#costsOf = costsOf;
    for (const route of policy.routes) this.#add(route.model, route);
    this.#table = this.#build();
  }

  get table(): RouteTable {
    return this.#table;
  }

  all(): IterableIterator<RouteWatch> {
    return this.#watches.values();
  }

  /** The watch of a model; null if too many models that the policy does not list are in use. */
  watch(model: string): RouteWatch | null {
    const known = this.#watches.get(model);
    if (known !== undefined) return known;
    if (this.#watches.size >= MOST_WATCHED && !this.#forgetIdle()) return null;
    return this.#add(model, this.policyOf(model));
  }

  #add(model: string, policy: RoutePolicy): RouteWatch {
    const watch: RouteWatch = new RouteWatch(model, policy, {
      learned: this.#learned(model),
      costsOf: (figures) => this.#costsOf(watch, figures),
    });
    this.#watches.set(model, watch);
    return watch;
  }

  /** Whether the policy does not list a model and nobody calls it any more: there is nothing to decide or to store. */
  isIdle(watch: RouteWatch): boolean {
    return !this.isListed(watch.model) && watch.rollout === null && watch.demand.calls === 0;
  }

  /** The listed routes and the 20 busiest of the others: few enough for a person to read. */
  foremost(): RouteWatch[] {
    const all = [...this.#watches.values()];
    const others = all
      .filter((watch) => !this.isListed(watch.model) && !this.isIdle(watch))
      .sort((a, b) => b.demand.calls - a.demand.calls);
    return [...all.filter((watch) => this.isListed(watch.model)), ...others.slice(0, MOST_SHOWN)];
  }

  /** Forgets models that the policy does not list and nobody calls; false if there are none. */
  #forgetIdle(): boolean {
    const before = this.#watches.size;
    for (const watch of this.#watches.values()) if (this.isIdle(watch)) this.#watches.delete(watch.model);
    return this.#watches.size < before;
  }

  /** Whether the policy names a model. */
  isListed(model: string): boolean {
    return this.#policy.routes.some((route) => route.model === model);
  }

  policyOf(model: string): RoutePolicy {
    return policyOf(this.#policy, model);
  }

  /** Applies an edited policy file. Returns the routes whose window must be filled again. */
  adopt(policy: Policy): RouteWatch[] {
    this.#policy = policy;
    for (const route of policy.routes) {
      if (!this.#watches.has(route.model)) this.#add(route.model, route);
    }
    const changed = [...this.#watches.values()].filter((watch) =>
      watch.adopt(this.policyOf(watch.model), this.#clock.now()),
    );
    this.rebuild();
    return changed;
  }

  /** Builds the gateway's routing table again, from the rollouts as they are now. */
  rebuild(): void {
    this.#table = this.#build();
  }

  arrived(arrival: Arrival): void {
    this.counts.calls++;
    if (arrival.hasNoToken) this.counts.withoutToken++;
    if (arrival.isThroughOutage === true) this.counts.throughOutage++;
    const { ineligibleReason: reason } = arrival;
    if (reason !== undefined) {
      this.counts.ineligible++;
      this.ineligible[reason] = (this.ineligible[reason] ?? 0) + 1;
    }
    const watch = arrival.model === null ? null : this.watch(arrival.model);
    if (watch === null) return;
    watch.arrived(arrival);
    const isTried = assignedTo(arrival) === 'dedicated' && watch.rejected.sent(arrival.shape, this.#clock.now());
    if (isTried) this.rebuild();
  }

  sent(arrival: Arrival): void {
    if (arrival.model !== null) this.watch(arrival.model)?.sent(arrival, this.#clock.now());
  }

  failed(arrival: Arrival, outcome: Outcome, upstream: UpstreamKind, knownAfterUs: number, errorCode: string): void {
    if (arrival.model === null) return;
    const watch = this.watch(arrival.model);
    const known = { upstream, knownAfterUs, nowMs: this.#clock.now(), errorCode };
    if (watch?.failed(arrival, outcome, known) === true) this.#faulted(watch);
  }

  shadowed(arrival: Arrival, shadow: Shadow): void {
    if (arrival.model === null) return;
    const watch = this.watch(arrival.model);
    if (watch === null) return;
    if (watch.shadowed(arrival, shadow)) this.#faulted(watch);
    this.#noteShape(watch, arrival, shadow);
  }

  ended(call: Call): void {
    const watch = call.model === null ? null : this.watch(call.model);
    if (watch === null) return;
    watch.ended(call, this.#clock.now());
    if (assignedTo(call) === 'dedicated') this.#noteShape(watch, call, call);
  }

  /** Notes whether the endpoint answered a call or a copy of its shape. */
  #noteShape(
    watch: RouteWatch,
    { shape, agent }: Pick<Arrival, 'shape' | 'agent'>,
    { rolloutId, outcome }: Pick<Call, 'rolloutId' | 'outcome'>,
  ): void {
    if (rolloutId !== watch.rollout?.id || (outcome !== 'ok' && outcome !== 'rejected_by_endpoint')) return;
    const result = { agent, isRejected: outcome !== 'ok' };
    if (watch.rejected.ended(shape, result, this.#clock.now())) this.rebuild();
  }

  /** A call went past the gateway some time ago. */
  bypassed(call: Call): void {
    if (call.model !== null) this.watch(call.model)?.bypassed(call, this.#clock.now());
  }

  #build(): RouteTable {
    const routes = new Map<string, RouteEntry>();
    for (const watch of this.#watches.values()) {
      const timeouts = timeoutsOf(watch.policy, this.#clock);
      // The care settings come from the policy file of today, also during a rollout.
      const entry = { model: watch.model, timeouts, canary: canaryOf(watch), care: watch.filePolicy.care };
      routes.set(watch.model, entry);
    }
    const { watched } = this.#policy;
    const fallback = { timeouts: timeoutsOf(watched, this.#clock), care: watched.care };
    return { generation: ++this.#generation, routes, fallback };
  }
}

function canaryOf(watch: RouteWatch): Canary | null {
  const { rollout, policy, rollback } = watch;
  const endpoint = rollout === null ? null : endpointOf(rollout);
  if (rollout === null || endpoint === null) return null;
  const isWayBack = rollout.toward === 'serverless';
  // The ledger cannot store the decision yet, but the weight already follows it.
  const isKept = isWayBack && rollback?.decision.action === 'roll_back';
  if (rollback !== null && !isKept) return null;
  const { step, weight } = isKept ? { step: 0, weight: 0 } : weights(rollout, policy);
  return {
    rolloutId: rollout.id,
    toward: rollout.toward,
    step,
    // Rounded as the ledger stores it, so that a replay judges the same.
    weight: Math.round(weight * 10_000) / 10_000,
    affinity: policy.affinity,
    blockMs: AGENT_BLOCK_MS,
    url: endpoint.url,
    servedModel: endpoint.servedModel,
    shapes: new Set(endpoint.shapes),
    withheld: new Map(watch.rejected.withheld.map(({ shape, until }) => [shape, until])),
    limits: limitsOf(rollout, policy, endpoint),
    ...(throughOf(rollout) !== null && { through: { atOnce: carriedAtOnce(watch) } }),
    shadow: shadowOf(watch, rollout, step),
  };
}

function limitsOf(
  { instance }: Rollout,
  { endpoint: wish }: RoutePolicy,
  { contextTokens }: WarmEndpoint,
): EndpointLimits {
  return engineLimits(instance.engine, wish ?? { args: [], env: {} }, contextTokens ?? null);
}

/** What is copied: in the shadow stage a larger share of the calls, and in the steps toward the endpoint a small one. */
function shadowOf(
  { policy: { shadow }, measures: { copiedBefore } }: RouteWatch,
  rollout: Rollout,
  step: number,
): ShadowShare | null {
  const { phase, toward } = rollout;
  const isInSteps = (phase === 'stepping' || phase === 'holding') && step > 0 && toward === 'dedicated';
  if (isStill(rollout) || shadow.share === 0 || (phase !== 'shadowing' && !isInSteps)) return null;
  const { concurrency, calls, exclude, continue: later = 0 } = shadow;
  const share = isInSteps ? later : shadow.share;
  return { share, concurrency, calls: Math.max(0, calls - copiedBefore), exclude: new Set(exclude) };
}

/** No timeout shrinks below this, in real ms, because sockets and processors do not run faster with the clock. */
const LEAST_TIMEOUT_MS = 5_000;

/** A span of real time that shrinks with a faster clock, in real ms. */
export function shrunkMs(ms: number, { scale }: Pick<Clock, 'scale'>): number {
  return Math.min(ms, Math.max(LEAST_TIMEOUT_MS, ms / scale));
}

/** The policy's timeouts in real ms. On a faster clock they shrink with it, as the simulation's answers do. */
export function timeoutsOf({ timeouts }: RoutePolicy, { scale }: Pick<Clock, 'scale'>): Timeouts {
  const real = (ms: number) => shrunkMs(ms, { scale });
  return {
    connectMs: real(timeouts.connect),
    firstByteMs: real(timeouts.firstByte),
    betweenChunksMs: real(timeouts.betweenChunks),
    totalMs: real(timeouts.total),
    serverless: {
      betweenChunksMs: real(timeouts.serverless.betweenChunks),
      totalMs: real(timeouts.serverless.total),
    },
  };
}
