import { judgeCriteria, needsServed, withCosts } from '../../core/criteria/criteria.ts';
import type { CostsOf, DemandFigures } from '../../core/criteria/criteria.ts';
import type { Call } from '../../core/call.ts';
import { servedOf } from '../../core/criteria/served-window.ts';
import { DemandWindow } from '../../core/criteria/demand-window.ts';
import { NearMisses } from '../../core/criteria/near-miss.ts';
import type { LearnedNearMiss } from '../../core/learned.ts';
import type { CriteriaPolicy } from '../../core/policy/criteria.ts';

/** A route's demand for serverless in the window of the policy file, and whether it meets the criteria of the file. */
export class RouteDemand {
  readonly #costsOf: CostsOf;
  #criteria: CriteriaPolicy;
  #window: DemandWindow;
  #near: NearMisses;

  /**
   * `costsOf`: what the demand of the window costs; null if that is unknown. `learned`: how near the criteria came before this
   * process; null if they did not.
   */
  constructor(criteria: CriteriaPolicy, costsOf: CostsOf, learned: LearnedNearMiss | null = null) {
    this.#criteria = criteria;
    this.#costsOf = costsOf;
    const isSame = learned?.criteria === JSON.stringify(criteria);
    this.#near = new NearMisses(isSame ? learned.near : null);
    this.#window = this.newWindow();
  }

  /** Where calls are counted. */
  get window(): DemandWindow {
    return this.#window;
  }

  /** Calls in the window. */
  get calls(): number {
    return this.#window.calls;
  }

  /** Since when the criteria have held without interruption, epoch ms; null if they do not hold. */
  get holdsSince(): number | null {
    return this.#window.holdsSince;
  }

  /** The outage of serverless of which the window has a part, epoch ms; null if there is none. */
  outage(nowMs: number): ReturnType<DemandWindow['outage']> {
    return this.#window.outage(nowMs);
  }

  /** The figures that the criteria are compared with now. */
  figures(): DemandFigures {
    const figures = this.#withCosts(this.#window.figures());
    const { longest } = this.#near;
    return longest === null ? figures : { ...figures, near: longest };
  }

  /** How near the criteria came, for the next process; null if they did not. */
  get nearMiss(): LearnedNearMiss | null {
    const { longest: near } = this.#near;
    return near === null ? null : { criteria: JSON.stringify(this.#criteria), near };
  }

  /** A call was held so long that it counts as refused. */
  delayed(nowMs: number): void {
    this.#window.refused(nowMs);
    this.#window.wasRefused('delayed', nowMs, nowMs);
  }

  /** A call for serverless has ended. Its client may have got a 429, from serverless or from the gateway itself. */
  ended(call: Call, nowMs: number): void {
    this.#window.ended(nowMs, nowMs, servedOf(call));
    if (call.finalOutcome !== 'rate_limited') return;
    this.#window.wasRefused('clients', nowMs, nowMs);
    if (call.servedBy === null) this.#window.wasRefused('here', nowMs, nowMs);
  }

  /** A call went past the gateway. It counts if it is recent. */
  bypassed({ arrivedAtUs, agent, isAgentDerived: isDerived, outcome }: Call, nowMs: number): void {
    const [atMs, isRefused] = [arrivedAtUs / 1_000, outcome === 'rate_limited'];
    this.#window.arrivedLate(atMs, nowMs, { agent, isDerived }, isRefused);
    if (isRefused) this.#window.wasRefused('clients', atMs, nowMs);
  }

  /** A rollout begins or ends: how near the criteria came before says nothing any more. */
  forgetNear(): void {
    this.#near = new NearMisses();
  }

  /**
   * Applies an edited policy file. If the criteria changed, the time for which they held begins again. Returns whether
   * the window must be filled again, because its length changed or it must count answers from now on.
   */
  adopt(criteria: CriteriaPolicy, nowMs: number): boolean {
    const before = this.#criteria;
    this.#criteria = criteria;
    if (JSON.stringify(before) !== JSON.stringify(criteria)) {
      this.#window.interrupt(nowMs);
      this.forgetNear();
    }
    return criteria.window !== before.window || needsServed(criteria) !== needsServed(before);
  }

  /** An empty window of the length in the policy file. */
  newWindow(): DemandWindow {
    return new DemandWindow(
      this.#criteria.window,
      (counted) => {
        const figures = this.#withCosts(counted);
        this.#near.note(figures, this.#criteria);
        return judgeCriteria(figures, this.#criteria).holds;
      },
      needsServed(this.#criteria),
    );
  }

  /** Takes a window that was filled from the ledger. The time for which the criteria held begins again. */
  refill(window: DemandWindow, nowMs: number): void {
    this.#window = window;
    window.interrupt(nowMs);
  }

  #withCosts(figures: DemandFigures): DemandFigures {
    return withCosts(figures, this.#criteria, this.#costsOf);
  }
}
