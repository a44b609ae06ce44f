import type { BackPolicy, SloPolicy } from '../../core/policy/back.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { LoadHistory, payingLoad } from '../../core/worth/load-history.ts';
import type { Costs, LoadFigures } from '../../core/worth/load-history.ts';
import { SloWatch } from '../../core/worth/slo-watch.ts';
import type { SloFigures } from '../../core/worth/slo-watch.ts';

/** A hole in what was seen that is no longer than a window of the load hides no change of it. */
export const SHORT_HOLE_MS = 300_000;

/** What tells whether an endpoint is still worth its price: the route's whole load, and what it owes its callers. */
export class EndpointWorth {
  readonly #load: LoadHistory;
  #policy: SloPolicy;
  #slo: SloWatch;
  #latest: LoadFigures | null = null;

  /** `knownSinceMs`: since when every call of the route is told of, here or by `loaded`. */
  constructor(policy: SloPolicy, { knownSinceMs, nowMs }: { readonly knownSinceMs: number; readonly nowMs: number }) {
    this.#load = new LoadHistory(knownSinceMs);
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
    this.#load.arrived(atMs);
  }

  /** So many calls arrived in a minute, as the ledger has them. */
  loaded(atMs: number, calls: number): void {
    this.#load.arrived(atMs, calls);
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
    if (holeMs > SHORT_HOLE_MS) this.#load.interrupt(nowMs);
  }

  /** The load now, against what would pay. */
  load(nowMs: number, policy: BackPolicy, costs: Costs | null): LoadFigures | null {
    this.#latest = this.#load.figures(nowMs, payingLoad(policy, costs));
    return this.#latest;
  }

  /** The load as it was last looked at. */
  get latest(): LoadFigures | null {
    return this.#latest;
  }

  /** Null where nothing is asked of the endpoint. */
  slo(nowMs: number): SloFigures | null {
    const { p95, availability } = this.#policy;
    return p95 === null && availability === null ? null : this.#slo.figures(nowMs);
  }
}

/** Whether a rollout has an endpoint that serves, so that going back is to be thought of. */
export function mayGoBack(rollout: Rollout | null): rollout is Rollout {
  return (
    rollout !== null &&
    (rollout.phase === 'promoted' || (rollout.wayBack !== undefined && rollout.phase !== 'draining'))
  );
}
