import type { Clock } from '../core/clock.ts';

/** The sources of real time: the wall clock (epoch ms, may jump) and a steady count (ms, never jumps). */
export interface TimeSource {
  readonly wall: () => number;
  readonly steady: () => number;
}

const SYSTEM: TimeSource = { wall: () => Date.now(), steady: () => performance.now() };

/**
 * How far the steady count may drift from the wall clock before it is set again: after a suspend, an NTP correction, or
 * a change by an operator.
 */
const DRIFT_MS = 100;

/** The longest wait that a Node timer supports. */
const LONGEST_TIMER_MS = 2_147_483_647;

/**
 * A clock with a resolution below the microsecond that follows the wall clock and never goes back: if the wall clock
 * jumps back, this clock runs at half speed until the wall clock has caught up. With `scale` > 1, `now` is `start +
 * (real - start) * scale`. `start` is in real epoch ms; all processes of one simulation share it.
 */
export function createClock(
  { scale, start }: { readonly scale: number; readonly start: number },
  source: TimeSource = SYSTEM,
): Clock {
  let anchorSteady = source.steady();
  let anchorWall = source.wall();
  // What was last given, and at which steady count. An array, because each call asks several times and new numbers in it
  // make no garbage.
  const last = new Float64Array([anchorWall, anchorSteady]);

  const real = (): number => {
    const steady = source.steady();
    const wall = source.wall();
    const ran = anchorWall + (steady - anchorSteady);
    if (Math.abs(wall - ran) > DRIFT_MS) {
      anchorWall = wall;
      anchorSteady = steady;
    }
    const followed = anchorWall + (steady - anchorSteady);
    const slowest = (last[0] as number) + (steady - (last[1] as number)) / 2;
    const given = Math.max(followed, slowest);
    last[0] = given;
    last[1] = steady;
    return given;
  };

  return {
    scale,
    now: () => (scale === 1 ? real() : start + (real() - start) * scale),
    sleep: (ms, signal) => wait(ms / scale, signal),
  };
}

async function wait(realMs: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let left = Math.max(0, realMs);
  do {
    const part = Math.min(left, LONGEST_TIMER_MS);
    await waitOnce(part, signal);
    left -= part;
  } while (left > 0);
}

function waitOnce(realMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, realMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
