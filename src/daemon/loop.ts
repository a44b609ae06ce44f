import cron from 'node-cron';
import type { ScheduledTask } from 'node-cron';
import type { Clock } from '../core/clock.ts';
import { AppError, errorMessage } from '../core/errors.ts';
import type { Log } from './log.ts';

const LEAST_EVERY_MS = 200;

/** Real ms for a span of clock time, at least 200, so that repeated work leaves time for everything else. */
export function perClock(ms: number, { scale }: Pick<Clock, 'scale'>): number {
  return Math.max(LEAST_EVERY_MS, ms / scale);
}

/**
 * Decides when work runs: a tick every second and after every `wake`, and other work at its own interval, all in real
 * time. Work of one kind never overlaps. If work fails, the loop logs it and runs it again at its next time.
 */
export class Loop {
  readonly #tick: () => Promise<void>;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #background = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #crons: ScheduledTask[] = [];
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #isWoken = false;

  constructor(tick: () => Promise<void>, log: Log) {
    this.#tick = tick;
    this.#log = log;
  }

  /** Aborted when the loop stops, so that running work ends. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    this.schedule('* * * * * *', () => this.tick());
  }

  /** Runs work at the real times in UTC that a cron expression names. */
  schedule(expression: string, work: () => Promise<void>): void {
    // By default node-cron writes to the console.
    const notice = (message: string | Error) => this.#log('warn', 'scheduler', { message: String(message) });
    const logger = { debug: () => undefined, info: () => undefined, warn: notice, error: notice };
    const options = { logger, timezone: 'Etc/UTC' };
    this.#crons.push(cron.schedule(expression, () => this.inBackground(work()), options));
  }

  /** Runs work every so many real ms. It skips a run while the one before has not ended. */
  every(ms: number, work: () => Promise<void>): void {
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy || this.signal.aborted) return;
      isBusy = true;
      this.inBackground(work().finally(() => (isBusy = false)));
    }, ms);
    this.#timers.push(timer);
  }

  /** Remembers work until it ends, so that `settled` can wait for it. Logs it if it fails. */
  inBackground(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => {
        if (!this.signal.aborted) this.#log('error', 'background work failed', { error: errorMessage(error) });
      })
      .finally(() => this.#background.delete(guarded));
    this.#background.add(guarded);
  }

  /** Starts a tick at once; several calls in one turn of the event loop start one. */
  wake(): void {
    if (this.#isWoken || this.signal.aborted) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.inBackground(this.tick());
    });
  }

  /** Runs a tick. Ticks never overlap: all calls during a tick share the next one. */
  tick(): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    if (this.#next !== null) return this.#next;
    if (this.#running === null) return (this.#running = this.#tick().finally(() => (this.#running = null)));
    const again = () => {
      this.#next = null;
      return this.tick();
    };
    return (this.#next = this.#running.then(again, again));
  }

  /** Starts no more work. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('unavailable', 'the daemon is stopping'));
    for (const task of this.#crons) await task.destroy();
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Resolves when all work that had started has ended. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
    await Promise.allSettled(this.#background);
  }
}
