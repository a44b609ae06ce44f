import { settleRejection } from '../core/care/next.ts';
import { meaningOf } from '../core/outcome.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Attempt } from './attempt/attempt.ts';
import type { CallHistory } from './call-history.ts';
import type { AnswerHeaders } from './request/headers.ts';
import type { Shared } from './shared.ts';

/** Answers of a call's earlier attempts, which the client gets after all if no later one is better. */
export class KeptAnswers {
  readonly #history: CallHistory;
  readonly #shared: Pick<Shared, 'nowUs' | 'limits'>;
  #last: Attempt | null = null;
  /** The endpoint's attempt that rejected the call, until serverless shows whose mistake that is. */
  #rejected: Attempt | null = null;

  constructor(history: CallHistory, shared: Pick<Shared, 'nowUs' | 'limits'>) {
    this.#history = history;
    this.#shared = shared;
  }

  /** Keeps the answer of an attempt at serverless, unless the client never asked the provider that gave it. */
  keep(attempt: Attempt, outcome: Outcome, headers: AnswerHeaders | null): void {
    if (meaningOf(outcome).isUnable) return attempt.discard();
    this.#last?.discard();
    this.#last = attempt;
    attempt.hold(headers);
  }

  /** Keeps the endpoint's answer that rejects the call, and that the attempt holds. Its outcome is not known yet. */
  keepRejection(attempt: Attempt): void {
    attempt.endedAtUs = this.#shared.nowUs();
    this.#rejected = attempt;
  }

  get hasRejection(): boolean {
    return this.#rejected !== null;
  }

  /**
   * Serverless has answered or failed the call: if the endpoint had rejected it, that shows whose mistake it was. Returns
   * the endpoint's attempt if the client gets its answer, because serverless has none that is better; else null.
   */
  settle(attempt: Attempt, outcome: Outcome): Attempt | null {
    const rejected = this.#rejected;
    if (rejected === null || attempt === rejected) return null;
    const settled = settleRejection(outcome);
    if (settled.answer === 'dedicated') {
      attempt.settle(outcome, this.#shared.nowUs());
      attempt.discard();
      return this.#takeRejected(rejected, settled.outcome);
    }
    this.#takeRejected(rejected, settled.outcome).discard();
    return null;
  }

  /** No further attempt can be made: the attempt whose answer the client gets; null if none is kept. */
  take(): Attempt | null {
    if (this.#rejected !== null) return this.#takeRejected(this.#rejected, 'client_error');
    const last = this.#last;
    this.#last = null;
    return last;
  }

  discard(): void {
    this.#last?.discard();
    this.#rejected?.discard();
  }

  #takeRejected(rejected: Attempt, outcome: Outcome): Attempt {
    this.#rejected = null;
    const { canary } = this.#history.assignment;
    if (canary !== null) this.#shared.limits.learn(canary.url, rejected.heldText);
    this.#history.noteOutcome(rejected, outcome, this.#shared.nowUs());
    return rejected;
  }
}
