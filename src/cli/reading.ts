import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/errors.ts';
import { COPY_PATIENCE_MS, copyPath } from '../ledger/copies.ts';
import type { LedgerDb } from '../ledger/database.ts';
import { isAlive } from '../ledger/lock.ts';
import { openForReading } from '../ledger/open.ts';
import { readReply } from '../ledger/words/published.ts';
import type { Reply } from '../ledger/words/published.ts';
import { newPlace } from '../ledger/words/word.ts';
import { writeWord } from '../ledger/words/write-word.ts';
import { mayRead, published } from './board.ts';
import { clean, labelled, painter } from './terminal/print.ts';

const LOOK_EVERY_MS = 50;

/**
 * Opens a ledger for reading. For who may not read it but has the role `read`, its daemon makes a copy, and standard error says
 * from when it is. Throws AppError as `openForReading` does, `conflict` if the daemon makes no copy for this user, and
 * `unavailable` or `timeout` if it does not answer.
 */
export async function openToRead(dbPath: string): Promise<LedgerDb> {
  return mayRead(dbPath) ? openForReading(dbPath) : openCopy(dbPath);
}

async function openCopy(dbPath: string): Promise<LedgerDb> {
  const { pid } = published(dbPath);
  const place = newPlace();
  const word = isAlive(pid) ? writeWord(dbPath, { kind: 'copy', place }, true) : null;
  const reply = word === null ? null : await replyTo(dbPath, word, pid);
  if (reply === null) {
    throw new AppError('unavailable', `no daemon runs on ${dbPath} that could make a copy for this user to read`, {
      hint: 'ask whoever runs it to start it, or for a copy: npx upshift audit copy FILE --group GROUP',
    });
  }
  if (reply.result !== 'done') {
    throw new AppError('conflict', reply.message, { hint: 'docs/approvals.md says who may read, and how' });
  }
  const db = openForReading(copyPath(dbPath, place));
  const { stderr } = process;
  const text = `this is a copy of ${dbPath} from ${clean(reply.message)}`;
  stderr.write(labelled('note:', text, { paint: painter(stderr).dim, stream: stderr }));
  return db;
}

/** What the daemon says to a word; null if it has ended. */
async function replyTo(dbPath: string, word: string, pid: number): Promise<Reply | null> {
  const end = performance.now() + COPY_PATIENCE_MS;
  while (performance.now() < end) {
    const wasAlive = isAlive(pid);
    const reply = readReply(dbPath, word);
    if (reply !== null || !wasAlive) return reply;
    await pause(LOOK_EVERY_MS);
  }
  throw new AppError(
    'timeout',
    `the daemon of ${dbPath} has not answered within ${COPY_PATIENCE_MS / 60_000} minutes`,
    {
      hint: 'its disk may be full: ask whoever runs it to see its log',
    },
  );
}
