/** How much traffic there is, and how much the level of each upstream wanders from minute to minute. */
export interface World {
  readonly name: string;
  readonly callsPerMinute: number;
  /** Standard deviation of the logarithm of an upstream's level. */
  readonly stableWobble: number;
  readonly canaryWobble: number;
}

export const WORLDS: readonly World[] = [
  { name: 'calm', callsPerMinute: 400, stableWobble: 0.06, canaryWobble: 0.05 },
  { name: 'noisy', callsPerMinute: 400, stableWobble: 0.15, canaryWobble: 0.1 },
  { name: 'low traffic', callsPerMinute: 40, stableWobble: 0.06, canaryWobble: 0.05 },
];
