import type { BackPolicy, SloPolicy } from '../../core/policy/back.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { TrafficHistory, payingTraffic } from '../../core/worth/traffic-history.ts';
import type { Costs, TrafficFigures } from '../../core/worth/traffic-history.ts';
import { SloWatch } from '../../core/worth/slo-watch.ts';
import type { SloFigures } from '../../core/worth/slo-watch.ts';

/** A gap in what was seen that is no longer than this hides no change of the traffic: it is one window of it. */
export const SHORT_HOLE_MS = 300_000;

/** Measures whether an endpoint is still worth its price: the whole traffic of the route, and the endpoint's SLO. */
export class EndpointWorth {
  readonly #traffic: TrafficHistory;
  #policy: SloPolicy;
  #slo: SloWatch;
  #latest: TrafficFigures | null = null;
  #sloFigures: SloFigures | null = null;

  /** `knownSinceMs`: since when every call of the route is reported, by `arrived` or by `counted`. */
  constructor(policy: SloPolicy, { knownSinceMs, nowMs }: { readonly knownSinceMs: number; readonly nowMs: number }) {
    this.#traffic = new TrafficHistory(knownSinceMs);
    this.#policy = policy;
    this.#slo = new SloWatch(policy, nowMs);
  }

  /** Applies an edited policy file. */
  adopt(policy: SloPolicy, nowMs: number): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#slo = new SloWatch(policy, nowMs);
  }

  /** A call of the route arrived, whichever side it goes to. */
  arrived(atMs: number): void {
    this.#traffic.arrived(atMs);
  }

  /** Adds the calls that arrived in a minute, counted from the ledger. */
  counted(atMs: number, calls: number): void {
    this.#traffic.arrived(atMs, calls);
  }

  answered(nowMs: number, durationMs: number): void {
    this.#slo.answered(nowMs, durationMs);
  }

  failed(nowMs: number): void {
    this.#slo.failed(nowMs);
  }

  /** Nothing was seen for `holeMs` before `nowMs`. */
  interrupt(nowMs: number, holeMs: number): void {
    this.#slo.interrupt(nowMs);
    if (holeMs > SHORT_HOLE_MS) this.#traffic.interrupt(nowMs);
  }

  /** Brings the figures up to now. The traffic is compared with the traffic at which the endpoint is worth its price. */
  advance(nowMs: number, policy: BackPolicy, costs: Costs | null): void {
    this.#latest = this.#traffic.figures(nowMs, payingTraffic(policy, costs));
    const { p95, availability } = this.#policy;
    this.#sloFigures = p95 === null && availability === null ? null : this.#slo.figures(nowMs);
  }

  /** Since when every call of the route was seen, epoch ms. */
  get knownSince(): number {
    return this.#traffic.knownSince;
  }

  /** The traffic at the last `advance`. */
  get latest(): TrafficFigures | null {
    return this.#latest;
  }

  /** How the endpoint kept its SLO at the last `advance`; null if the policy sets none. */
  get slo(): SloFigures | null {
    return this.#sloFigures;
  }
}

/** Whether a rollout has an endpoint that serves calls, so that a way back is possible. */
export function hasServingEndpoint(rollout: Rollout | null): rollout is Rollout {
  return (
    rollout !== null &&
    (rollout.phase === 'promoted' || (rollout.wayBack !== undefined && rollout.phase !== 'draining'))
  );
}

/** The policy under which a route would go back to serverless, or goes; null if it has no way back. */
export function wayBackPolicy({
  rollout,
  policy,
  filePolicy,
}: {
  readonly rollout: Rollout | null;
  readonly policy: RoutePolicy;
  readonly filePolicy: RoutePolicy;
}): RoutePolicy | null {
  if (!hasServingEndpoint(rollout)) return null;
  const meant = rollout.phase === 'promoted' ? filePolicy : policy;
  // If the policy file no longer lists the route, a way back has no policy to pin.
  return meant.endpoint === null ? null : meant;
}
