/**
 * Time as the program sees it. Floors 1 and 2 are handed a Clock; the core is handed `now` as a number.
 *
 * Against the simulation a clock may run faster than the wall (`scale` > 1). Ledger times and the policy's spans are in
 * clock time; sockets, drains and cron are in real time, and convert with `scale` where they meet.
 */
export interface Clock {
  /** Epoch milliseconds, never going back. Fractional: the fraction is good to about a microsecond of real time. */
  now(): number;
  /** Resolves after `ms` of clock time, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Clock milliseconds that pass in one real millisecond; 1 outside the simulation. */
  readonly scale: number;
}
