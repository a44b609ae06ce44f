import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';

/** Runs `scale` times as fast as the wall. */
export function fastClock(scale: number): Clock {
  const start = 1_790_000_000_000;
  const origin = performance.now();
  return {
    scale,
    now: () => start + (performance.now() - origin) * scale,
    sleep: (ms, signal) => pause(ms / scale, undefined, signal ? { signal } : {}),
  };
}

/** Stands still until it is advanced; sleepers wake in the order of their times. */
export function handClock(): Clock & { advance(ms: number): void } {
  let now = 1_790_000_000_000;
  let sleepers: { at: number; wake: () => void }[] = [];
  return {
    scale: 1,
    now: () => now,
    sleep(ms, signal) {
      if (ms <= 0) return Promise.resolve();
      return new Promise((wake, reject) => {
        sleepers.push({ at: now + ms, wake });
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    },
    advance(ms) {
      now += ms;
      const due = sleepers.filter((each) => each.at <= now).sort((left, right) => left.at - right.at);
      sleepers = sleepers.filter((each) => each.at > now);
      for (const each of due) each.wake();
    },
  };
}
