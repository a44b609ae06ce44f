import type { Affinity } from '../../src/core/route.ts';

/** How much traffic there is, and how much the level of each upstream wanders from minute to minute. */
export interface World {
  readonly name: string;
  readonly callsPerMinute: number;
  /** How long serverless has been watched before the rollout. */
  readonly pastMinutes: number;
  /** Standard deviation of the logarithm of an upstream's level. */
  readonly stableDrift: number;
  readonly canaryDrift: number;
  /** What is assigned as a whole; absent: each call by itself. `size`: how many of them there are at once. */
  readonly units?: { readonly affinity: Exclude<Affinity, 'call'>; readonly size: number };
}

const DAY = 1_440;

export const WORLDS: readonly World[] = [
  { name: 'calm', callsPerMinute: 400, pastMinutes: DAY, stableDrift: 0.06, canaryDrift: 0.05 },
  { name: 'noisy', callsPerMinute: 400, pastMinutes: DAY, stableDrift: 0.15, canaryDrift: 0.1 },
  { name: 'low traffic', callsPerMinute: 40, pastMinutes: DAY, stableDrift: 0.06, canaryDrift: 0.05 },
  { name: 'six hours known', callsPerMinute: 400, pastMinutes: 360, stableDrift: 0.06, canaryDrift: 0.05 },
  {
    name: 'agents',
    callsPerMinute: 400,
    pastMinutes: DAY,
    stableDrift: 0.06,
    canaryDrift: 0.05,
    units: { affinity: 'agent', size: 200 },
  },
  {
    name: 'sessions',
    callsPerMinute: 400,
    pastMinutes: DAY,
    stableDrift: 0.06,
    canaryDrift: 0.05,
    units: { affinity: 'session', size: 130 },
  },
];
