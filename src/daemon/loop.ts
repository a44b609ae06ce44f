import cron from 'node-cron';
import type { ScheduledTask } from 'node-cron';
import type { Clock } from '../core/clock.ts';
import { AppError, errorMessage } from '../core/errors.ts';
import type { Log } from './log.ts';

const LEAST_EVERY_MS = 200;

/** Real ms for a span of clock time, but not so few that looking is all that is done. */
export function perClock(ms: number, { scale }: Pick<Clock, 'scale'>): number {
  return Math.max(LEAST_EVERY_MS, ms / scale);
}

/**
 * When things happen: a tick every second and whenever somebody wakes it, and other work at its own pace, all in real
 * time. Nothing of one kind overlaps; what fails is logged and tried again at its next time.
 */
export class Loop {
  readonly #tick: () => Promise<void>;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #background = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];
  #cron: ScheduledTask | null = null;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #isWoken = false;

  constructor(tick: () => Promise<void>, log: Log) {
    this.#tick = tick;
    this.#log = log;
  }

  /** Fires when the loop stops: ends work that is under way. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    // Its own notices would go to the console, and its care for overlaps is taken by `tick`.
    const notice = (message: string | Error) => this.#log('warn', 'scheduler', { message: String(message) });
    const logger = { debug: () => undefined, info: () => undefined, warn: notice, error: notice };
    this.#cron = cron.schedule('* * * * * *', () => this.inBackground(this.tick()), { logger });
  }

  /** Has work done again and again, a while after it began the last time, but never twice at once. */
  every(ms: number, work: () => Promise<void>): void {
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy || this.signal.aborted) return;
      isBusy = true;
      this.inBackground(work().finally(() => (isBusy = false)));
    }, ms);
    this.#timers.push(timer);
  }

  /** Keeps work in mind until it ends, so that stopping can wait for it. */
  inBackground(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => {
        if (!this.signal.aborted) this.#log('error', 'background work failed', { error: errorMessage(error) });
      })
      .finally(() => this.#background.delete(guarded));
    this.#background.add(guarded);
  }

  /** Has a tick at once, however often it is said in one turn. */
  wake(): void {
    if (this.#isWoken || this.signal.aborted) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.inBackground(this.tick());
    });
  }

  /** Ticks never overlap: all who come while one runs share the next. */
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

  /** Begins nothing more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('unavailable', 'the daemon is stopping'));
    await this.#cron?.destroy();
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Resolves when what had begun has ended. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
    await Promise.allSettled(this.#background);
  }
}
