import { setTimeout as pause } from 'node:timers/promises';
import { DAY_MS } from '../core/time.ts';
import type { DailyCheckpoint } from '../ledger/journal/daily.ts';
import type { Ledger } from '../ledger/open.ts';
import { perClock } from './loop.ts';
import type { Loop } from './loop.ts';
import { keepBooks } from './money/bookkeeping.ts';
import type { BookkeepingContext } from './money/bookkeeping.ts';

/** How often, in clock time, the daemon looks whether a day of calls is to be closed. */
const CLOSING_EVERY_MS = 60_000;
/** Real ms between two pieces of this work, so that it takes about half of the journal's thread. */
const CLOSING_PAUSE_MS = 2;

/** How often, in real ms, it is looked whether there is something wrong with the ledger's files to tell. */
const FAULT_EVERY_MS = 500;

/** When a checkpoint is written each day: the calls of the day before are sealed by then. */
const CHECKPOINT_AT = '30 1 * * *';

interface UpkeepContext extends BookkeepingContext {
  readonly fault: Ledger['fault'];
  /** Takes the newest checkpoint. */
  readonly checkpointed: (checkpoint: DailyCheckpoint) => void;
}

/** Keeps the ledger complete beside the ticks: cost records, digests of days of calls, and checkpoints. */
export function keepUp(loop: Loop, context: UpkeepContext): void {
  keepBooks(loop, context);
  let told: string | null = null;
  loop.every(FAULT_EVERY_MS, async () => void (told = tellFault(context, told)));
  // One that was due while no daemon ran is written now.
  loop.inBackground(checkpoint(context, DAY_MS));
  loop.schedule(CHECKPOINT_AT, () => checkpoint(context, 0));
  loop.every(perClock(CLOSING_EVERY_MS, context.clock), () => closeCalls(context, loop.signal));
}

/** Logs what is wrong with the ledger's files, once, and once that nothing is any more. Returns what it has told last. */
function tellFault({ fault, log }: UpkeepContext, told: string | null): string | null {
  const { kind, text } = fault() ?? { kind: null, text: null };
  if (text === told) return told;
  if (text === null) log('info', 'the ledger is where it was again');
  else log('error', 'a file of the ledger is gone: nothing is decided until it is back', { kind, fault: text });
  return text;
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
