import type { ConcurrencySeen } from '../../src/core/scaling/route-concurrency.ts';
import { START } from './samples.ts';

/** A route with about ten calls at once, on replicas that carry ten each, and what a test wants otherwise. */
export function concurrencyOf(change: Partial<ConcurrencySeen> = {}): ConcurrencySeen {
  const flat = { mean: 10, p95: 14, peak: 16 };
  return {
    since: START - 3_600_000,
    route: flat,
    endpoint: flat,
    tokensPerSecond: 100,
    recentCalls: 600,
    pendingShare: 1,
    lastCallAt: START,
    capacity: { carried: 10, isLimit: true },
    hours: [],
    ...change,
  };
}
