import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 40;
const WITHIN_MS = 120_000;

/** For tests of real processes: long enough on a busy machine, since it is there only to end a test that hangs. */
export const PATIENT = { timeout: 280_000 };

/**
 * Looks until there is something to see, and gives it: anything but false, null and undefined. What a look throws counts
 * as nothing seen. Fails after `withinMs` real milliseconds with `what`, and with what the last look threw, or else with
 * what `tell` says.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  { withinMs = WITHIN_MS, tell }: { readonly withinMs?: number; readonly tell?: () => string } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + withinMs;
  let problem: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== false && seen !== null && seen !== undefined) return seen as Exclude<T, false | null | undefined>;
      problem = undefined;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > end) {
      const told = problem instanceof Error ? problem.message : tell?.();
      assert.fail(`not within ${withinMs} ms: ${what}${told === undefined ? '' : `: ${told}`}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}
