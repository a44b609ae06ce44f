import { setTimeout as pause } from 'node:timers/promises';
import { DAY_MS } from '../core/time.ts';
import type { DailyCheckpoint } from '../ledger/journal/daily.ts';
import { perClock } from './loop.ts';
import type { Loop } from './loop.ts';
import { keepBooks } from './money/bookkeeping.ts';
import type { BookkeepingContext } from './money/bookkeeping.ts';

/** How often, in clock time, the daemon looks whether a day of calls is to be closed. */
const CLOSING_EVERY_MS = 60_000;
/** Real ms between two pieces of this work, so that it takes about half of the journal's thread. */
const CLOSING_PAUSE_MS = 2;

/** When a checkpoint is written each day: the calls of the day before are sealed by then. */
const CHECKPOINT_AT = '30 1 * * *';

interface UpkeepContext extends BookkeepingContext {
  /** Takes the newest checkpoint. */
  readonly checkpointed: (checkpoint: DailyCheckpoint) => void;
}

/** Keeps the ledger complete beside the ticks: cost records, digests of days of calls, and checkpoints. */
export function keepUp(loop: Loop, context: UpkeepContext): void {
  keepBooks(loop, context);
  // One that was due while no daemon ran is written now.
  loop.inBackground(checkpoint(context, DAY_MS));
  loop.schedule(CHECKPOINT_AT, () => checkpoint(context, 0));
  loop.every(perClock(CLOSING_EVERY_MS, context.clock), () => closeCalls(context, loop.signal));
}

async function closeCalls({ journal, clock }: BookkeepingContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await journal.closeCalls(clock.now()))) await pause(CLOSING_PAUSE_MS);
}

async function checkpoint({ journal, log, checkpointed }: UpkeepContext, leastAgeMs: number): Promise<void> {
  const newest = await journal.keepCheckpoint(leastAgeMs);
  if (newest === null) return;
  checkpointed(newest);
  const { seals, hash, note } = newest;
  if (note !== null) log('info', 'checkpoint', { seals, hash, note });
}
