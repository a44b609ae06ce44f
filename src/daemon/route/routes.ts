import type { Arrival, Call, CallObserver, Outcome, Shadow } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { DemandCosts, DemandFigures } from '../../core/criteria/criteria.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import { endpointOf, weights } from '../../core/rollout/rollout.ts';
import type { Canary, RouteEntry, RouteTable, ShadowShare, Timeouts, UpstreamKind } from '../../core/route.ts';
import { NOTHING_LEARNED } from './learned-route.ts';
import type { LearnedRoute } from './learned-route.ts';
import { RouteWatch } from './watch.ts';

const MOST_WATCHED = 1_000;
const MOST_SHOWN = 20;
const AGENT_BLOCK_MS = 600_000;

/** All routes: what the gateway tells of calls goes in, the table that the gateway reads comes out. */
export class Routes implements CallObserver {
  readonly #watches = new Map<string, RouteWatch>();
  readonly #clock: Clock;
  readonly #faulted: (watch: RouteWatch) => void;
  readonly #learned: (model: string) => LearnedRoute;
  #policy: Policy;
  #table: RouteTable;
  #generation = 0;
  /** What a window's load costs: null until somebody who knows prices takes this over. */
  costsOf: (watch: RouteWatch, figures: DemandFigures) => DemandCosts | null = () => null;
  counts = { calls: 0, ineligible: 0, withoutToken: 0 };

  /**
   * `faulted` is called when a canary has failed so often in a row that a tick should not wait for its time. `learned`:
   * what former processes have learned of a model.
   */
  constructor(
    policy: Policy,
    clock: Clock,
    faulted: (watch: RouteWatch) => void,
    learned: (model: string) => LearnedRoute = () => NOTHING_LEARNED,
  ) {
    this.#policy = policy;
    this.#clock = clock;
    this.#faulted = faulted;
    this.#learned = learned;
    for (const route of policy.routes) this.#add(route.model, route);
    this.#table = this.#build();
  }

  get table(): RouteTable {
    return this.#table;
  }

  all(): IterableIterator<RouteWatch> {
    return this.#watches.values();
  }

  /** The watch of a model; null where too many models that no policy lists have been seen. */
  watch(model: string): RouteWatch | null {
    const known = this.#watches.get(model);
    if (known !== undefined) return known;
    if (this.#watches.size >= MOST_WATCHED && !this.#forgetIdle()) return null;
    return this.#add(model, this.policyOf(model));
  }

  #add(model: string, policy: RoutePolicy): RouteWatch {
    const watch = new RouteWatch(model, policy, this.#learned(model));
    watch.costsOf = (figures) => this.costsOf(watch, figures);
    this.#watches.set(model, watch);
    return watch;
  }

  /** A model that no policy lists and that nobody calls any more: nothing to decide, and nothing to write down. */
  isIdle(watch: RouteWatch): boolean {
    watch.window.advance(this.#clock.now());
    return !this.isListed(watch.model) && watch.rollout === null && watch.window.calls === 0;
  }

  /** The listed routes, and the busiest of the others: what a person can still read. */
  foremost(): RouteWatch[] {
    const all = [...this.#watches.values()];
    const others = all
      .filter((watch) => !this.isListed(watch.model) && !this.isIdle(watch))
      .sort((a, b) => b.window.calls - a.window.calls);
    return [...all.filter((watch) => this.isListed(watch.model)), ...others.slice(0, MOST_SHOWN)];
  }

  /** Makes room among the models that no policy lists; false where all of them are busy. */
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

  /** Takes a new policy file's word. Returns the routes whose window must be filled again. */
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

  /** Replaces the gateway's table by what the rollouts stand for now. */
  rebuild(): void {
    this.#table = this.#build();
  }

  arrived(arrival: Arrival): void {
    this.counts.calls++;
    if (arrival.hasNoToken) this.counts.withoutToken++;
    if (arrival.rolloutId !== null && !arrival.isEligible) this.counts.ineligible++;
    if (arrival.model !== null) this.watch(arrival.model)?.arrived(arrival);
  }

  sent(arrival: Arrival): void {
    if (arrival.model !== null) this.watch(arrival.model)?.sent(arrival, this.#clock.now());
  }

  failed(arrival: Arrival, outcome: Outcome, upstream: UpstreamKind, knownAfterUs: number): void {
    if (arrival.model === null) return;
    const watch = this.watch(arrival.model);
    const known = { knownAfterUs, nowMs: this.#clock.now() };
    if (watch?.failed(arrival, outcome, upstream, known) === true) this.#faulted(watch);
  }

  shadowed(arrival: Arrival, shadow: Shadow): void {
    if (arrival.model === null) return;
    const watch = this.watch(arrival.model);
    if (watch?.shadowed(arrival, shadow) === true) this.#faulted(watch);
  }

  ended(call: Call): void {
    if (call.model !== null) this.watch(call.model)?.ended(call, this.#clock.now());
  }

  /** A call went past the gateway some time ago. */
  bypassed(call: Call): void {
    if (call.model !== null) this.watch(call.model)?.bypassed(call, this.#clock.now());
  }

  #build(): RouteTable {
    const routes = new Map<string, RouteEntry>();
    for (const watch of this.#watches.values()) {
      const timeouts = timeoutsOf(watch.policy, this.#clock);
      // Care for serverless is the same before, during and after a rollout: as the file says today.
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
  // What the ledger cannot take yet: all weight is where the decision wants it.
  const isKept = isWayBack && rollback?.decision.action === 'roll_back';
  if (rollback !== null && !isKept) return null;
  const { step, weight } = isKept ? { step: 0, weight: 0 } : weights(rollout, policy);
  return {
    rolloutId: rollout.id,
    toward: rollout.toward,
    step,
    // As the ledger keeps it, so that what is judged now is judged again alike.
    weight: Math.round(weight * 10_000) / 10_000,
    affinity: policy.affinity,
    blockMs: AGENT_BLOCK_MS,
    url: endpoint.url,
    servedModel: endpoint.servedModel,
    shapes: new Set(endpoint.shapes),
    shadow: rollout.phase === 'shadowing' && !rollout.isPaused ? shadowOf(watch) : null,
  };
}

function shadowOf({ policy: { shadow }, copiedBefore }: RouteWatch): ShadowShare {
  const { share, concurrency, calls, exclude } = shadow;
  return { share, concurrency, calls: Math.max(0, calls - copiedBefore), exclude: new Set(exclude) };
}

/** Sockets and processors do not run faster with the clock: no timeout shrinks below this, in real ms. */
const LEAST_TIMEOUT_MS = 5_000;

/** A span of real time that shrinks with a faster clock, in real ms. */
export function shrunkMs(ms: number, { scale }: Pick<Clock, 'scale'>): number {
  return Math.min(ms, Math.max(LEAST_TIMEOUT_MS, ms / scale));
}

/** The policy's timeouts in real ms. On a faster clock they shrink with it, as the simulation's answers do. */
export function timeoutsOf({ timeouts }: RoutePolicy, { scale }: Clock): Timeouts {
  const real = (ms: number) => shrunkMs(ms, { scale });
  return {
    connectMs: real(timeouts.connect),
    firstByteMs: real(timeouts.firstByte),
    betweenChunksMs: real(timeouts.betweenChunks),
    totalMs: real(timeouts.total),
  };
}
