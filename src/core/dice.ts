/** Repeatable chance, handed to the rooms above as the clock is: the core itself throws no dice. */
export interface Dice {
  /** Uniform in [0, 1). */
  next(): number;
  /** A factor around 1: log-normal with median 1 and the given spread (sigma of the logarithm). */
  jitter(sigma: number): number;
}
