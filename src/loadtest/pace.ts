import type { Clock } from '../core/clock.ts';
import type { Arrival } from '../core/trace.ts';
import { isDue } from './sending.ts';

export interface TracePace {
  readonly trace: readonly Arrival[];
  readonly clock: Clock;
  readonly stop?: AbortSignal | undefined;
  /**
   * The most calls at once. Calls that are due beyond it wait, and their wait is part of their latency. No limit by
   * default.
   */
  readonly limit?: number;
  /** Sends one call; `dueAt` is the time at which it was due, clock time. Must not reject. */
  readonly send: (arrival: Arrival, dueAt: number) => Promise<unknown>;
}

/** The result of playing a trace. */
export interface Played {
  readonly played: number;
  /** The longest delay of a call behind its time in the trace; clock milliseconds. */
  readonly latestMs: number;
  /** The calls that have not ended. */
  readonly running: ReadonlySet<Promise<unknown>>;
}

/** Open loop: every call is sent at its time, whether earlier calls have ended or not. Returns when all are sent. */
export async function playTrace({ trace, clock, stop, limit, send }: TracePace): Promise<Played> {
  const running = new Set<Promise<unknown>>();
  const start = clock.now() - (trace[0]?.atMs ?? 0);
  let onFree: (() => void) | undefined;
  stop?.addEventListener('abort', () => onFree?.(), { once: true });
  let [played, latestMs] = [0, 0];
  for (const arrival of trace) {
    const dueAt = start + arrival.atMs;
    if (!(await isDue(dueAt, clock, stop))) break;
    if (running.size >= (limit ?? Number.POSITIVE_INFINITY)) {
      await new Promise<void>((resolve) => (onFree = resolve));
      if (stop?.aborted === true) break;
    }
    latestMs = Math.max(latestMs, clock.now() - dueAt);
    const life = send(arrival, dueAt);
    running.add(life);
    void life.finally(() => {
      running.delete(life);
      onFree?.();
    });
    played += 1;
  }
  return { played, latestMs, running };
}

export interface BusyPace {
  readonly concurrency: number;
  /** Clock milliseconds over which the workers start, one after the other; 0: all at once. */
  readonly rampMs: number;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  /** Makes one call; resolves with whether it succeeded. Must not reject. */
  readonly send: (worker: number) => Promise<boolean>;
}

/** The least time between the starts of a failed call and of the same worker's next call; clock milliseconds. */
const FAILED_MS = 1_000;

/**
 * Closed loop: each worker makes one call after the other until it is stopped. Resolves when the last call has ended.
 */
export async function keepBusy({ concurrency, rampMs, clock, stop, send }: BusyPace): Promise<void> {
  const start = clock.now();
  const work = async (worker: number): Promise<void> => {
    let dueAt = start + (rampMs * worker) / concurrency;
    // Another worker's call may have been the last one while this worker waited for its start.
    while ((await isDue(dueAt, clock, stop)) && !stop.aborted) {
      const startedAt = clock.now();
      const isGood = await send(worker);
      dueAt = isGood ? 0 : startedAt + FAILED_MS;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, worker) => work(worker)));
}
