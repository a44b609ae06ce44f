import { accessSync, constants } from 'node:fs';
import { AppError } from '../core/errors.ts';
import { openAsks } from '../ledger/journal/asks.ts';
import { replyTo, requestId } from '../ledger/journal/requests.ts';
import { listRollouts } from '../ledger/journal/rollouts.ts';
import { readStatus } from '../ledger/journal/status.ts';
import { isLocked } from '../ledger/lock.ts';
import { openForReading, refuseCopy } from '../ledger/open.ts';
import { isAlive } from '../ledger/lock.ts';
import { readPublished, readReply } from '../ledger/words/published.ts';
import type { Published, Reply } from '../ledger/words/published.ts';
import type { Word } from '../ledger/words/word.ts';
import { writeWord } from '../ledger/words/write-word.ts';

/** What a command needs to say a word to a daemon. */
export interface Board extends Disposable {
  readonly rollouts: () => Published['rollouts'];
  readonly asks: () => Published['asks'];
  /** What a rollout does now, for people; empty if that is not known. */
  readonly doing: (rolloutId: string) => string;
  readonly isRunning: () => boolean;
  /** Returns the name of the word. */
  readonly say: (word: Word) => string;
  /** Null until the daemon has handled the word. */
  readonly replyTo: (name: string) => Reply | null;
  /** Number of the request that a word became; null if it is none yet. */
  readonly requestOf: (name: string) => number | null;
}

/** Opens the ledger, or, for a member of the group that may speak, what its daemon publishes. Throws AppError. */
export function openBoard(dbPath: string): Board {
  return mayRead(dbPath) ? ledgerBoard(dbPath) : publicBoard(dbPath);
}

/** What the daemon publishes for those who may not read its ledger; null for all others. Throws AppError. */
export function publishedOnly(dbPath: string): Published | null {
  return mayRead(dbPath) ? null : published(dbPath);
}

/** Whether this user may read a ledger, or would be told why not by opening it. */
export function mayRead(dbPath: string): boolean {
  try {
    accessSync(dbPath, constants.R_OK);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EACCES');
  }
}

function ledgerBoard(dbPath: string): Board {
  refuseCopy(dbPath);
  const db = openForReading(dbPath);
  return {
    rollouts: () => listRollouts(db),
    asks: () => openAsks(db),
    doing: (rolloutId) => {
      const routes = readStatus(db)?.report?.routes ?? [];
      const route = routes.find(({ rollout }) => rollout?.id === rolloutId);
      return route?.decision == null ? '' : `${route.phase} (${route.decision.detail})`;
    },
    isRunning: () => isLocked(dbPath),
    say: (word) => writeWord(dbPath, word),
    replyTo: (name) => replyTo(db, name),
    requestOf: (name) => requestId(db, name),
    [Symbol.dispose]: () => db.close(),
  };
}

function publicBoard(dbPath: string): Board {
  const known = published(dbPath);
  return {
    rollouts: () => known.rollouts,
    asks: () => known.asks,
    doing: (rolloutId) => known.rollouts.find(({ id }) => id === rolloutId)?.phase ?? '',
    // Nobody may ask the daemon's lock but its own user.
    isRunning: () => isAlive(known.pid),
    say: (word) => writeWord(dbPath, word, true),
    replyTo: (name) => readReply(dbPath, name),
    requestOf: (name) => readReply(dbPath, name)?.request ?? null,
    [Symbol.dispose]: () => undefined,
  };
}

/** What the daemon of a ledger publishes for this user. Throws AppError `unauthorized` if that is nothing. */
export function published(dbPath: string): Published {
  const known = readPublished(dbPath);
  if (known !== null) return known;
  throw new AppError('unauthorized', `this user may not read ${dbPath}, and its daemon publishes nothing for them`, {
    hint:
      'ask whoever runs it for `upshift start --group G`, with a group that you are a member of, and for the role read; or for a copy: ' +
      'npx upshift audit copy FILE --group G',
  });
}
