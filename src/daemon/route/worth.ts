import type { BackPolicy, SloPolicy } from '../../core/policy/back.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { TrafficHistory, payingTraffic } from '../../core/worth/traffic-history.ts';
import type { Costs, TrafficFigures } from '../../core/worth/traffic-history.ts';
import { SloWatch } from '../../core/worth/slo-watch.ts';
import type { SloFigures } from '../../core/worth/slo-watch.ts';

/** A hole in what was seen that is no longer than a window of the load hides no change of it. */
export const SHORT_HOLE_MS = 300_000;

/** What tells whether an endpoint is still worth its price: the route's whole load, and what it owes its callers. */
export class EndpointWorth {
  readonly #traffic: TrafficHistory;
  #policy: SloPolicy;
  #slo: SloWatch;
  #latest: TrafficFigures | null = null;

  /** `knownSinceMs`: since when every call of the route is told of, here or by `loaded`. */
  constructor(policy: SloPolicy, { knownSinceMs, nowMs }: { readonly knownSinceMs: number; readonly nowMs: number }) {
    this.#traffic = new TrafficHistory(knownSinceMs);
    this.#policy = policy;
    this.#slo = new SloWatch(policy, nowMs);
  }

  /** Takes a new policy file's word. */
  adopt(policy: SloPolicy, nowMs: number): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#slo = new SloWatch(policy, nowMs);
  }

  /** A call of the route arrived, whichever side it goes to. */
  arrived(atMs: number): void {
    this.#traffic.arrived(atMs);
  }

  /** So many calls arrived in a minute, as the ledger has them. */
  counted(atMs: number, calls: number): void {
    this.#traffic.arrived(atMs, calls);
  }

  answered(nowMs: number, durationMs: number): void {
    this.#slo.answered(nowMs, durationMs);
  }

  failed(nowMs: number): void {
    this.#slo.failed(nowMs);
  }

  /** Nothing was seen for so long. */
  interrupt(nowMs: number, holeMs: number): void {
    this.#slo.interrupt(nowMs);
    if (holeMs > SHORT_HOLE_MS) this.#traffic.interrupt(nowMs);
  }

  /** The load now, against what would pay. */
  traffic(nowMs: number, policy: BackPolicy, costs: Costs | null): TrafficFigures | null {
    this.#latest = this.#traffic.figures(nowMs, payingTraffic(policy, costs));
    return this.#latest;
  }

  /** Since when every call of the route was seen, epoch ms. */
  get knownSince(): number {
    return this.#traffic.knownSince;
  }

  /** The load as it was last looked at. */
  get latest(): TrafficFigures | null {
    return this.#latest;
  }

  /** Null where nothing is asked of the endpoint. */
  slo(nowMs: number): SloFigures | null {
    const { p95, availability } = this.#policy;
    return p95 === null && availability === null ? null : this.#slo.figures(nowMs);
  }
}

/** Whether a rollout has an endpoint that serves, so that going back is to be thought of. */
export function hasServingEndpoint(rollout: Rollout | null): rollout is Rollout {
  return (
    rollout !== null &&
    (rollout.phase === 'promoted' || (rollout.wayBack !== undefined && rollout.phase !== 'draining'))
  );
}
