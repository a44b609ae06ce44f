/** So many agents, and so many differences, are told apart in a group. The agents beyond count as one, the differences beyond as odd. */
const MOST_AGENTS = 512;
const MOST_DIFFERENCES = 64;

/** One in so many odd pairs of an agent counts, beginning with the first. */
const ALIKE = 10;

/** Stands for the agents beyond those that are told apart. */
const OTHERS = -1;

/** Counts pairs of agents: of those of one agent the first, and then one in ten. A pair of no known agent always counts. */
export class AgentCounts {
  readonly #ofAgents = new Map<number, number>();
  #counted = 0;

  get counted(): number {
    return this.#counted;
  }

  add(agent: number | undefined): void {
    if (agent === undefined) {
      this.#counted++;
      return;
    }
    const key = keyOf(agent, this.#ofAgents);
    const before = this.#ofAgents.get(key) ?? 0;
    this.#ofAgents.set(key, before + 1);
    if (before % ALIKE === 0) this.#counted++;
  }
}

/** The pairs of one agent in a group, and how many of them have each difference. */
interface OfAgent {
  pairs: number;
  readonly differences: Map<number, number>;
}

/** The pairs of one provider, with tools or without. */
export class OfGroup {
  /** Undefined stands for pairs of no known agent. */
  readonly #agents = new Map<number | undefined, OfAgent>();
  readonly #differences = new Map<number, number>();
  #usual = { difference: 0, pairs: 0 };

  add(agent: number | undefined, difference: number): void {
    const key = agent === undefined ? undefined : keyOf(agent, this.#agents);
    const own = this.#agents.get(key) ?? { pairs: 0, differences: new Map<number, number>() };
    this.#agents.set(key, own);
    own.pairs++;
    const count = (this.#differences.get(difference) ?? 0) + 1;
    if (count === 1 && this.#differences.size >= MOST_DIFFERENCES) return;
    this.#differences.set(difference, count);
    own.differences.set(difference, (own.differences.get(difference) ?? 0) + 1);
    if (count > this.#usual.pairs) this.#usual = { difference, pairs: count };
  }

  /**
   * `usual`: the difference that most pairs have; `same`: how many have it; `odd`: how many others count at least, whichever
   * difference is taken for the usual one.
   */
  read(): { readonly usual: number; readonly same: number; readonly odd: number } {
    let all = 0;
    // By how much each difference, taken for the usual one, lowers the number of odd pairs that count.
    const less = new Map<number, number>();
    for (const [agent, { pairs, differences }] of this.#agents) {
      const counted = (odd: number) => (agent === undefined ? odd : Math.ceil(odd / ALIKE));
      all += counted(pairs);
      for (const [difference, count] of differences) {
        less.set(difference, (less.get(difference) ?? 0) + counted(pairs) - counted(pairs - count));
      }
    }
    return { usual: this.#usual.difference, same: this.#usual.pairs, odd: all - Math.max(0, ...less.values()) };
  }
}

function keyOf(agent: number, known: ReadonlyMap<number | undefined, unknown>): number {
  return known.has(agent) || known.size < MOST_AGENTS ? agent : OTHERS;
}
