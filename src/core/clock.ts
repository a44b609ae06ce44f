/**
 * The program's time. The layers above the core get a Clock; the core gets `now` as a number.
 *
 * Against the simulation a clock may run faster than real time (`scale` > 1). Ledger times and the policy's spans are
 * in clock time; sockets, drains and cron are in real time, and code that uses both converts with `scale`.
 */
export interface Clock {
  /** Epoch milliseconds. It never goes back. Its fraction is exact to about a microsecond of real time. */
  now(): number;
  /** Resolves after `ms` of clock time, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Clock milliseconds that pass in one real millisecond; 1 outside the simulation. */
  readonly scale: number;
}
