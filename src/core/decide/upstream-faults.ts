import { faultKind } from '../fault-kind.ts';
import type { FaultKind, FaultRow } from '../fault-kind.ts';
import type { Outcome } from '../outcome.ts';

/** Rejections by the endpoint count only once they come from so many agents: one odd agent must not end a rollout. */
const REJECTING_AGENTS = 3;

/** Counts the faults of an upstream since its last good answer. */
export class UpstreamFaults {
  #count = 0;
  #lastAt = 0;
  readonly #kinds = new Map<FaultKind, number>();
  /** Rejections that do not count yet, and the agents whose calls they were: fewer than REJECTING_AGENTS. */
  #waiting = 0;
  readonly #agents = new Set<string>();

  /** Faults that count. */
  get count(): number {
    return this.#count;
  }

  /** Of which kinds they were, and when the last one was known; null if there is none. */
  get row(): FaultRow | null {
    return this.#count === 0 ? null : { kinds: Object.fromEntries(this.#kinds), lastAt: this.#lastAt };
  }

  /** `code`: of the error that ended the attempt; empty if there was none. */
  fault(outcome: Outcome, agent: string, { code = '', atMs }: { readonly code?: string; readonly atMs: number }): void {
    this.#lastAt = Math.max(this.#lastAt, atMs);
    if (outcome !== 'rejected_by_endpoint' || this.#agents.size >= REJECTING_AGENTS) {
      this.#add(outcome, code, 1);
      return;
    }
    this.#waiting++;
    this.#agents.add(agent);
    if (this.#agents.size < REJECTING_AGENTS) return;
    this.#add(outcome, code, this.#waiting);
    this.#waiting = 0;
  }

  #add(outcome: Outcome, code: string, times: number): void {
    this.#count += times;
    const kind = faultKind(outcome, code) ?? 'server_error';
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + times);
  }

  /** A good answer came, or another upstream is counted from now on. */
  reset(): void {
    this.#count = 0;
    this.#waiting = 0;
    this.#lastAt = 0;
    this.#kinds.clear();
    this.#agents.clear();
  }
}
