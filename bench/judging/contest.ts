import type { Trace } from './trace.ts';

/** What came of one rollout. */
export interface Ending {
  readonly end: 'promoted' | 'rolledBack' | 'held';
  readonly minutes: number;
  /** Calls that the canary had been given by then. */
  readonly exposed: number;
  /** The weight that the canary had by then; 0 in a stage of copies. */
  readonly weight: number;
  /** How many minutes were forecast for an endpoint as good as serverless; null by judges that do not tell. */
  readonly forecast: number | null;
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
