import type { Outcome } from '../outcome.ts';

/** Rejections by the endpoint count only once they come from so many agents: one odd agent must not end a rollout. */
const REJECTING_AGENTS = 3;

/** Counts the faults of an upstream since its last good answer. */
export class UpstreamFaults {
  #count = 0;
  /** Rejections that do not count yet, and the agents whose calls they were: fewer than REJECTING_AGENTS. */
  #waiting = 0;
  readonly #agents = new Set<string>();

  /** Faults that count. */
  get count(): number {
    return this.#count;
  }

  fault(outcome: Outcome, agent: string): void {
    if (outcome !== 'rejected_by_endpoint' || this.#agents.size >= REJECTING_AGENTS) {
      this.#count++;
      return;
    }
    this.#waiting++;
    this.#agents.add(agent);
    if (this.#agents.size < REJECTING_AGENTS) return;
    this.#count += this.#waiting;
    this.#waiting = 0;
  }

  /** A good answer came, or another upstream is counted from now on. */
  reset(): void {
    this.#count = 0;
    this.#waiting = 0;
    this.#agents.clear();
  }
}
