import type { CallShape } from '../route.ts';

/** Where the gateway takes reports of calls that went past it. */
export const REPORT_PATH = '/upshift/outcomes';

/** The most calls and the most bytes of a report. */
export const MOST_REPORTED = 500;
export const LONGEST_REPORT = 1 << 20;

export const LONGEST_AGENT = 128;
export const LONGEST_MODEL = 1_024;

/**
 * How a call that went past the gateway ended: its answer was complete, its answer broke off, its caller left, or no
 * answer came.
 */
export const BYPASS_ENDS = ['complete', 'broken', 'left', 'unreached'] as const;

/**
 * The report of a call that went past the gateway, straight to serverless, because the gateway did not answer. It never
 * contains prompt, completion or token. Spans in µs.
 */
export interface Bypass {
  /** Epoch µs by the caller's clock. Together with the duration and the agent it identifies the call. */
  readonly arrivedAtUs: number;
  /** From its arrival to its start toward serverless: the time lost on the gateway that did not answer. */
  readonly startedAfterUs: number;
  /** From its arrival to its end; if its status is an error, to its first byte. */
  readonly durationUs: number;
  /** From its arrival; null if no answer came. */
  readonly firstByteUs: number | null;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  /** HTTP status, 0 if none came. */
  readonly status: number;
  readonly end: (typeof BYPASS_ENDS)[number];
  /** Whether it was sent without credentials. */
  readonly hasNoToken: boolean;
}

/** One report of a caller. */
export interface BypassReport {
  /** How many calls are left out because too many waited to be reported. */
  readonly dropped: number;
  readonly outcomes: readonly Bypass[];
}
