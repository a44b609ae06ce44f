/** Faults of fewer agents than this may be caused by the agents. */
const AGENTS = 3;
/** This many bodies are remembered. Any further one counts as new. */
const MOST_BODIES = 1_000;

/**
 * The faults of an upstream since its last answer. A call counts once, and so does a body and whoever sent it first, because
 * one body may be what the upstream cannot stand. Memory is bounded.
 */
export class FaultsInRow {
  /** Attempts that found no connection. Each counts, because no call can be its cause. */
  #unreachable = 0;
  /** Calls beyond the bodies that are remembered. */
  #further = 0;
  readonly #bodies = new Set<string>();
  readonly #agents = new Set<string>();

  /** The number of agents, 0..3: further ones are not counted. */
  get agents(): number {
    return this.#agents.size;
  }

  /** How many count. */
  get count(): number {
    return this.#unreachable + this.#bodies.size + this.#further;
  }

  /** Whether a fault happened to a call of the agent, as far as agents are remembered. */
  isBy(agent: string): boolean {
    return this.#agents.has(agent);
  }

  /** Adds a fault. `body`: what stands for the call's body; null if a fault of the same call was added before. */
  add(agent: string, body: string | null, isUnreachable: boolean): void {
    if (isUnreachable) this.#unreachable++;
    else if (body === null || this.#bodies.has(body)) return;
    else if (this.#bodies.size >= MOST_BODIES) this.#further++;
    else this.#bodies.add(body);
    if (this.#agents.size < AGENTS) this.#agents.add(agent);
  }

  /** Whose calls would fail if these faults go on, given that `faults` of them are enough. */
  reach(faults: number): 'none' | 'these agents' | 'all' {
    if (this.#unreachable >= faults) return 'all';
    if (this.count < faults) return 'none';
    return this.#agents.size >= AGENTS ? 'all' : 'these agents';
  }

  clear(): void {
    // Every answer comes here, and V8 makes a new table for each `clear`.
    if (this.#agents.size === 0) return;
    this.#unreachable = 0;
    this.#further = 0;
    this.#bodies.clear();
    this.#agents.clear();
  }
}
