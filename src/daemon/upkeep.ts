import { setTimeout as pause } from 'node:timers/promises';
import { perClock } from './loop.ts';
import type { Loop } from './loop.ts';
import { keepBooks } from './money/bookkeeping.ts';
import type { BookkeepingContext } from './money/bookkeeping.ts';

/** How often, in clock time, the daemon looks whether a day of calls is to be closed. */
const CLOSING_EVERY_MS = 60_000;
/** Real ms between two pieces of this work, so that it takes about half of the journal's thread. */
const CLOSING_PAUSE_MS = 2;

/** Keeps the ledger complete beside the ticks: cost records, and digests of days of calls. */
export function keepUp(loop: Loop, context: BookkeepingContext): void {
  keepBooks(loop, context);
  loop.every(perClock(CLOSING_EVERY_MS, context.clock), () => closeCalls(context, loop.signal));
}

async function closeCalls({ journal, clock }: BookkeepingContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await journal.closeCalls(clock.now()))) await pause(CLOSING_PAUSE_MS);
}
