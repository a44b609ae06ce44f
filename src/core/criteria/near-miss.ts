import type { CriteriaPolicy, CriterionName } from '../policy/criteria.ts';
import { SECOND_MS } from '../time.ts';
import { judgeCriteria, measure, wouldHold } from './criteria.ts';
import type { DemandFigures, NearMiss } from './criteria.ts';

/** Watches second by second which criterion alone keeps the criteria from holding. */
export class NearMisses {
  readonly #open = new Map<CriterionName, NearMiss>();
  #longest: NearMiss | null;

  /** `longest`: the one of a former process; null if there was none. */
  constructor(longest: NearMiss | null = null) {
    this.#longest = longest;
  }

  /** The longest so far; null if there was none. */
  get longest(): NearMiss | null {
    return this.#longest;
  }

  /** A second has ended with these figures. */
  note(figures: DemandFigures, policy: CriteriaPolicy): void {
    const { holds, met } = judgeCriteria(figures, policy);
    for (const one of measure(figures, policy)) {
      const { criterion, now, limit, figure, isMet } = one;
      const isAlone = !holds && !isMet && met[criterion] !== true && wouldHold(met, criterion, policy.require);
      if (!isAlone || now === null) {
        if (met[criterion] === true || !isAlone) this.#open.delete(criterion);
        continue;
      }
      const before = this.#open.get(criterion);
      const nearer = figure === 'availability' ? Math.min : Math.max;
      const span = {
        figure,
        peak: before === undefined ? now : nearer(before.peak, now),
        limit,
        heldMs: (before?.heldMs ?? 0) + SECOND_MS,
      };
      this.#open.set(criterion, span);
      if (span.heldMs >= (this.#longest?.heldMs ?? 0)) this.#longest = span;
    }
  }
}
