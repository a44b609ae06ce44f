/** Repeatable random numbers. The layers above the core get them as they get the clock; the core itself uses none. */
export interface Dice {
  /** Uniform in [0, 1). */
  next(): number;
  /** A factor around 1: log-normal with median 1 and the given spread (sigma of the logarithm). */
  jitter(sigma: number): number;
}
