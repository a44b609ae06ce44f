/** Real time, as the log of calls needs it. */
export interface Time {
  /** A steady count, in ms. */
  now(): number;
  /** Calls `work` once, after so many ms. */
  after(ms: number, work: () => void): void;
}

/** The time of this machine. */
export const SYSTEM_TIME: Time = {
  now: () => performance.now(),
  after: (ms, work) => {
    setTimeout(work, ms);
  },
};
