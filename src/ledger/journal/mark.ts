import { readFileSync } from 'node:fs';
import { AppError } from '../../core/errors.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { realPath, replacePrivate } from '../ownership.ts';

/** The newest seal that a ledger has had, kept outside of it. */
export interface Mark {
  readonly seal: number;
  readonly hash: string;
}

function markPath(dbPath: string): string {
  return `${realPath(dbPath)}.mark`;
}

/** The mark beside a ledger; null if there is none, or none that can be read. */
export function readMark(dbPath: string): Mark | null {
  try {
    const { seal, hash } = JSON.parse(readFileSync(markPath(dbPath), 'utf8')) as Partial<Mark>;
    return typeof seal === 'number' && typeof hash === 'string' ? { seal, hash } : null;
  } catch {
    return null;
  }
}

/** Replaces the mark. It is written after the seal is durable, so that it never names one that was lost. */
export function writeMark(dbPath: string, mark: Mark): void {
  replacePrivate(markPath(dbPath), `${JSON.stringify(mark)}\n`);
}

/** What a mark shows of a ledger: null if the ledger has the seal. */
export function differsFrom(db: LedgerDb, { seal, hash }: Mark): 'missing' | 'rewritten' | null {
  const found = prepared<[number], string>(db, 'SELECT hash FROM seals WHERE id = ?').pluck().get(seal);
  if (found === undefined) return 'missing';
  return found === hash ? null : 'rewritten';
}

/**
 * Refuses a ledger that lacks what its mark says that it had: an older copy, or another file in its place. Throws
 * AppError `conflict`.
 */
export function checkMark(dbPath: string, db: LedgerDb): void {
  const mark = readMark(dbPath);
  const what = mark === null ? null : differsFrom(db, mark);
  if (what === null) return;
  throw new AppError('conflict', `${dbPath} is not the ledger that was here last: its seal ${mark?.seal} is ${what}`, {
    hint:
      `an older copy of it, or another file, was put in its place. Put the newest one back. If this one is what you ` +
      `want, look with \`upshift endpoints\` for endpoints that it does not know, then remove ${markPath(dbPath)}`,
  });
}
