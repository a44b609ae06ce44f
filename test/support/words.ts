import { askDigest, readAsk } from '../../src/ledger/journal/asks.ts';
import { openForReading } from '../../src/ledger/open.ts';
import type { Word } from '../../src/ledger/words/word.ts';
import { writeWord } from '../../src/ledger/words/write-word.ts';

/** What a word says, without what follows from the ledger. */
export type Said = Pick<Word, 'kind' | 'rolloutId'> & Partial<Pick<Word, 'model' | 'askId' | 'step' | 'reason'>>;

/** A word as the command line makes it: an answer names the question as the ledger has it now. */
export function wordOf(
  dbPath: string,
  { model = null, askId = null, step = null, reason = null, ...said }: Said,
): Word {
  const db = openForReading(dbPath);
  try {
    const ask = askId === null ? null : readAsk(db, askId);
    return { ...said, model, askId, askDigest: ask === null ? null : askDigest(ask), step, reason };
  } finally {
    db.close();
  }
}

/** Says a word to the daemon of a ledger, as the command line does. Returns its name. */
export function say(dbPath: string, said: Said): string {
  return writeWord(dbPath, wordOf(dbPath, said));
}
