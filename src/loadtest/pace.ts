import type { Clock } from '../core/clock.ts';
import type { Arrival } from '../core/trace.ts';
import { isDue } from './sending.ts';

export interface TracePace {
  readonly trace: readonly Arrival[];
  readonly clock: Clock;
  readonly stop?: AbortSignal | undefined;
  /** At most so many calls at once; what is due beyond it waits, and its wait is part of its latency. No limit unless said. */
  readonly limit?: number;
  /** Sends one; `dueAt` is when it should have gone out, clock time. Must not reject. */
  readonly send: (arrival: Arrival, dueAt: number) => Promise<unknown>;
}

/** How far a trace got. */
export interface Played {
  readonly played: number;
  /** How far the sending fell behind the trace, at worst; clock milliseconds. */
  readonly latestMs: number;
  /** The calls that have not ended. */
  readonly running: ReadonlySet<Promise<unknown>>;
}

/** Open loop: every call goes out at its time whether earlier ones have ended or not. Returns when all have gone out. */
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
  /** Clock milliseconds over which the workers begin, one after the other; 0: all at once. */
  readonly rampMs: number;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  /** Makes one call; whether it went well. Must not reject. */
  readonly send: (worker: number) => Promise<boolean>;
}

/** After a failure a worker's next call begins this long after the failed one did, at the earliest; clock milliseconds. */
const FAILED_MS = 1_000;

/** Closed loop: each worker makes one call after the other until told to stop. Resolves when the last has ended. */
export async function keepBusy({ concurrency, rampMs, clock, stop, send }: BusyPace): Promise<void> {
  const start = clock.now();
  const work = async (worker: number): Promise<void> => {
    let dueAt = start + (rampMs * worker) / concurrency;
    // Told to stop while it came to its turn: another worker's call was the last.
    while ((await isDue(dueAt, clock, stop)) && !stop.aborted) {
      const startedAt = clock.now();
      const isGood = await send(worker);
      dueAt = isGood ? 0 : startedAt + FAILED_MS;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, worker) => work(worker)));
}
