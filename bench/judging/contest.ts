import type { Trace } from './trace.ts';

/** What came of one rollout. */
export interface Ending {
  readonly end: 'promoted' | 'rolledBack' | 'held';
  readonly minutes: number;
  /** Calls that the canary had been given by then. */
  readonly exposed: number;
}

/** Somebody who walks a trace, sets the weights, and comes to an end. */
export interface Contestant {
  readonly name: string;
  /** Tried only where the endpoint is so bad that every call counts. */
  readonly isForGrossOnly?: true;
  run(trace: Trace): Ending;
}

/** A rollout is given up as undecided after this long. */
export const MOST_MINUTES = 240;
