/** So many refused calls are remembered. */
const MOST = 100;

/** Calls refused one after the other in the order in which they were sent. */
export interface Run {
  readonly length: number;
  /** How many calls before the first of them were not refused, counted up to `most`. */
  readonly cleanBefore: number;
}

/**
 * Which of the latest calls were refused, by sequence number. Refusals come in any order, because each takes its own
 * time. So it is the order of sending that shows whether everything is refused.
 */
export class RefusedRuns {
  readonly #refused = new Set<number>();
  /** Calls before this one show nothing. */
  #from = 1;

  /** Notes a refused call and returns the run that it is part of. `most`: how far to count before the run. */
  add(sequence: number, most: number): Run {
    const refused = this.#refused;
    refused.add(sequence);
    if (refused.size > MOST) for (const oldest of refused) if (refused.delete(oldest)) break;
    let [first, last, cleanBefore] = [sequence, sequence, 0];
    while (refused.has(first - 1)) first--;
    while (refused.has(last + 1)) last++;
    while (cleanBefore < most && cleanBefore < first - this.#from && !refused.has(first - 1 - cleanBefore))
      cleanBefore++;
    return { length: last - first + 1, cleanBefore };
  }

  /** Forgets all calls before `from`, refused or not. */
  clear(from: number): void {
    this.#from = from;
    this.#refused.clear();
  }
}
