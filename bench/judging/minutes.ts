import type { HistoryCall } from '../../src/core/judge/profile.ts';
import { emptySeen } from './trace.ts';
import type { Trace } from './trace.ts';

/** What one upstream answered within a minute, as a dashboard sees it: finished calls only, by their status. */
export interface MinuteFigures {
  calls: number;
  /** No answer, or a status from 500 on; a 4xx is the caller's mistake there. */
  faults: number;
  /** Of answers with status 200, whatever is in them; refusals and faults are left out, in the rivals' favour. */
  latenciesMs: number[];
}

export interface MinuteOfBoth {
  readonly stable: MinuteFigures;
  readonly canary: MinuteFigures;
}

const LAST_MINUTE = 240;

/** Walks a trace in minutes and shows what finished in each: all that the rivals look at. */
export class Minutes {
  readonly #trace: Trace;
  readonly #buckets: MinuteOfBoth[] = [];
  readonly #seen = emptySeen();
  /** The minute to come, and the canary's calls so far. */
  minute = 0;
  exposed = 0;
  weight = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** The next minute, with this share of the calls on the canary. */
  advance(weight: number): MinuteOfBoth {
    const { minute } = this;
    this.weight = weight;
    const end = this.#trace.start(minute + 1);
    for (let call = this.#trace.start(minute); call < end; call++) {
      const role = this.#trace.coin(call) < weight ? 'canary' : 'stable';
      if (role === 'canary') this.exposed++;
      this.#trace.read(call, role, minute, weight, this.#seen);
      const { status, durationMs } = this.#seen;
      const endMinute = Math.floor((this.#trace.arrivedAtMs(call) + durationMs) / 60_000);
      if (endMinute > LAST_MINUTE) continue;
      const figures = this.#bucket(endMinute)[role];
      figures.calls++;
      if (status === 200) figures.latenciesMs.push(durationMs);
      else if (status === 0 || status >= 500) figures.faults++;
    }
    this.minute++;
    return this.#bucket(minute);
  }

  #bucket(minute: number): MinuteOfBoth {
    return (this.#buckets[minute] ??= { stable: emptyMinute(), canary: emptyMinute() });
  }
}

function emptyMinute(): MinuteFigures {
  return { calls: 0, faults: 0, latenciesMs: [] };
}

const known = new WeakMap<readonly HistoryCall[], readonly number[]>();

/** How long serverless took to answer in the hours before, in ms, rising: what a dashboard says before a rollout. */
export function answersBefore(trace: Trace): readonly number[] {
  const history = trace.history();
  const before = known.get(history);
  if (before !== undefined) return before;
  const answered = history.flatMap((call) => (call.outcome === 'ok' ? [call.durationUs / 1_000] : []));
  const sorted = [...Float64Array.from(answered).sort()];
  known.set(history, sorted);
  return sorted;
}

/** A quantile as Prometheus, R and others define it by default (type 7); NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  return quantileOf(Float64Array.from(values).sort(), share);
}

/** The same of numbers that rise already. */
export function quantileOf(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] ?? Number.NaN;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
