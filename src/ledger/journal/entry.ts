import type { Result } from '../../core/decide/decision.ts';
import type { RolloutRow } from './rows.ts';

/** What was decided. `input`: JSON of {rollout, observation}; `output`: JSON of the decision; `at`: epoch ms. */
export interface JournalDecision {
  readonly at: number;
  readonly model: string;
  readonly rolloutId: string | null;
  readonly coreVersion: number;
  readonly policyHash: string | null;
  readonly action: string;
  readonly reason: string;
  readonly input: string;
  readonly output: string;
  /** How many ticks the row stands for. */
  readonly ticks: number;
}

/** What is stored in one transaction: all of it or nothing. Times in epoch ms. */
export interface JournalEntry {
  /** `hash`: SHA-256 of `text` as hex; `parsed`: JSON. Stored once. */
  readonly policy?: { readonly hash: string; readonly path: string; readonly text: string; readonly parsed: string };
  readonly decision?: JournalDecision;
  readonly rollout?: RolloutRow;
  /** The promoted rollout that a way back replaced, if the decision changes it. */
  readonly replaced?: RolloutRow;
  readonly events: readonly {
    readonly rolloutId: string;
    readonly at: number;
    readonly type: string;
    readonly data: string;
  }[];
  readonly ask?: {
    readonly rolloutId: string;
    readonly step: number;
    readonly policyHash: string;
    readonly verdict: string;
    readonly figures: string;
    readonly at: number;
  };
  readonly outcomes: readonly {
    readonly requestId: number;
    readonly at: number;
    readonly result: Result;
    readonly message: string;
  }[];
}

/** The ids of an entry's decision and ask; null if it had none. */
export interface Committed {
  readonly decisionId: number | null;
  readonly askId: number | null;
}
