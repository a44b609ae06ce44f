import type { AnswerForm } from '../../src/core/form/form.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { HistoryCall } from '../../src/core/judge/profile.ts';
import type { Affinity, Role } from '../../src/core/route.ts';

/** When a rollout begins, in clock µs: any whole minute. */
export const BEGIN_US = 28_333_334 * 60e6;

/** How a call went at one upstream. Reused from call to call: copy what must last. Times in ms from its arrival. */
export interface Seen {
  outcome: Outcome;
  /** HTTP status of the answer; 0 if there is none. */
  status: number;
  /** Infinity where it never ends. */
  durationMs: number;
  firstTokenMs: number | null;
  promptTokens: number;
  outputTokens: number | null;
  /** Null if it is not known. */
  form: AnswerForm | null;
  /** Which of several providers served it; null if there is one. */
  provider: number | null;
}

/** Something for `read` to write into. */
export function emptySeen(): Seen {
  const none = { firstTokenMs: null, promptTokens: 0, outputTokens: 0, form: null, provider: null };
  return { outcome: 'ok', status: 200, durationMs: 0, ...none };
}

/** What was seen, as a call of the ledger's history. */
export function historyCall(arrivedAtUs: number, seen: Seen): HistoryCall {
  return {
    arrivedAtUs,
    durationUs: Math.round(seen.durationMs * 1_000),
    outcome: seen.outcome,
    firstTokenUs: seen.firstTokenMs === null ? null : Math.round(seen.firstTokenMs * 1_000),
    promptTokens: seen.promptTokens,
    outputTokens: seen.outcome === 'ok' ? seen.outputTokens : null,
    isEmpty: null,
    form: seen.outcome === 'ok' ? seen.form : null,
  };
}

/** The past is thinned out evenly to so many calls, as the daemon does. */
export const PAST_CALLS = 40_000;

/**
 * Calls with both of their potential outcomes, made minute by minute as far as a judge walks. A judge chooses a weight
 * for each minute, and sees of each call only the outcome of the upstream that the call was assigned to.
 */
export interface Trace {
  /** The first call of a minute; those of minute m are `start(m)` to `start(m + 1) - 1`. */
  start(minute: number): number;
  /** Arrival in ms since the rollout began, rising. */
  arrivedAtMs(call: number): number;
  /** The call is the canary's where this lies below the weight; in [0, 1). */
  coin(call: number): number;
  /** The call is copied in a shadow stage where this lies below the share; in [0, 1). */
  copyCoin(call: number): number;
  /** How the call, which arrived in that minute, goes at that upstream under that weight. */
  read(call: number, role: Role, minute: number, weight: number, seen: Seen): void;
  readonly callsPerMinute: number;
  readonly affinity: Affinity;
  /** The unit of the call, which shares its coin; undefined if each call is assigned by itself. */
  unit(call: number): number | undefined;
  /** What serverless did in the hours before, in order of arrival, all before `BEGIN_US`; the same array each time. Thinned out. */
  history(): readonly HistoryCall[];
}

/** Numbers that grow as calls are added. */
export class Column {
  values = new Float64Array(4096);

  set(at: number, value: number): void {
    if (at >= this.values.length) {
      const larger = new Float64Array(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[at] = value;
  }
}
