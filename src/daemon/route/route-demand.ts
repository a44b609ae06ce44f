import { judgeCriteria, needsServed, withCosts } from '../../core/criteria/criteria.ts';
import type { CostsOf, DemandFigures } from '../../core/criteria/criteria.ts';
import { DemandWindow } from '../../core/criteria/demand-window.ts';
import type { CriteriaPolicy } from '../../core/policy/criteria.ts';

/** A route's demand for serverless in the window of the policy file, and whether it meets the criteria of the file. */
export class RouteDemand {
  readonly #costsOf: CostsOf;
  #criteria: CriteriaPolicy;
  #window: DemandWindow;

  /** `costsOf`: what the demand of the window costs; null if that is unknown. */
  constructor(criteria: CriteriaPolicy, costsOf: CostsOf) {
    this.#criteria = criteria;
    this.#costsOf = costsOf;
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
    return this.#withCosts(this.#window.figures());
  }

  /**
   * Applies an edited policy file. If the criteria changed, the time for which they held begins again. Returns whether
   * the window must be filled again, because its length changed or it must count answers from now on.
   */
  adopt(criteria: CriteriaPolicy, nowMs: number): boolean {
    const before = this.#criteria;
    this.#criteria = criteria;
    if (JSON.stringify(before) !== JSON.stringify(criteria)) this.#window.interrupt(nowMs);
    return criteria.window !== before.window || needsServed(criteria) !== needsServed(before);
  }

  /** An empty window of the length in the policy file. */
  newWindow(): DemandWindow {
    return new DemandWindow(
      this.#criteria.window,
      (figures) => judgeCriteria(this.#withCosts(figures), this.#criteria).holds,
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
