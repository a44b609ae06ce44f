import type { CallShape } from '../route.ts';

/** Where the gateway takes reports of calls that went past it. */
export const REPORT_PATH = '/upshift/outcomes';

/** So many calls, and so many bytes, a report may have. */
export const MOST_REPORTED = 500;
export const LONGEST_REPORT = 1 << 20;

export const LONGEST_AGENT = 128;
export const LONGEST_MODEL = 1_024;

/**
 * How a call that went past the gateway ended: with its answer's end, with an answer that broke off, because its caller
 * left, or without any answer.
 */
export const BYPASS_ENDS = ['complete', 'broken', 'left', 'unreached'] as const;

/**
 * What is told of a call that went past the gateway, straight to serverless, because the gateway was away. Never holds
 * prompt, completion or token. Spans in µs.
 */
export interface Bypass {
  /** Epoch µs by the caller's clock; with its duration and the agent it tells this call from others. */
  readonly arrivedAtUs: number;
  /** From its arrival to when it set out to serverless: what the gateway that went away had cost. */
  readonly startedAfterUs: number;
  /** From its arrival to its end; where its status is that of an error, to the first byte. */
  readonly durationUs: number;
  /** From its arrival; null where no answer came. */
  readonly firstByteUs: number | null;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  /** HTTP status, 0 where none came. */
  readonly status: number;
  readonly end: (typeof BYPASS_ENDS)[number];
  /** Whether it went out without any credentials. */
  readonly hasNoToken: boolean;
}

/** What a caller reports in one go. */
export interface BypassReport {
  /** How many calls it had to forget, because too many waited. */
  readonly dropped: number;
  readonly outcomes: readonly Bypass[];
}
