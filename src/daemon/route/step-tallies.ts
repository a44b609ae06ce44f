import { NO_FIGURES, RoleTally } from '../../core/rollout/step-figures.ts';
import type { StepFigures } from '../../core/rollout/step-figures.ts';
import type { Role, Toward } from '../../core/route.ts';

interface StepTally {
  readonly stable: RoleTally;
  readonly canary: RoleTally;
}

/** The figures of both roles for each step of one rollout. */
export class StepTallies {
  readonly #toward: Toward;
  readonly #steps = new Map<number, StepTally>();

  constructor(toward: Toward) {
    this.#toward = toward;
  }

  of(step: number, role: Role): RoleTally {
    let tally = this.#steps.get(step);
    if (tally === undefined) {
      tally = { stable: new RoleTally('stable', this.#toward), canary: new RoleTally('canary', this.#toward) };
      this.#steps.set(step, tally);
    }
    return tally[role];
  }

  /** Both roles of a step. `overdue`: calls in flight beyond the first-byte limit, per role. */
  figures(step: number, overdue: Readonly<Record<Role, number>>): StepFigures {
    const tally = this.#steps.get(step);
    if (tally === undefined) return { step, stable: NO_FIGURES, canary: NO_FIGURES };
    return { step, stable: tally.stable.figures(overdue.stable), canary: tally.canary.figures(overdue.canary) };
  }
}
