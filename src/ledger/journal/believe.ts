import { AppError } from '../../core/errors.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { chainFault } from './own-seals.ts';
import { EVENT } from './rows.ts';
import type { EventRow } from './rows.ts';
import { digestOf, keysOf, sealedDigest } from './seals.ts';
import type { Sealed } from './seals.ts';

const PAGE_ROWS = 500;

/** Some events in the order in which they happened. */
export interface EventPage {
  readonly events: readonly EventRow[];
  /** The next page begins after this event; null after the last page. */
  readonly next: number | null;
}

/**
 * Checks that all seals stand in one chain that this key signed, and that the list of what happened to each rollout is as
 * it was sealed. Throws AppError `conflict`. A ledger in which no rollout ever was is not checked.
 */
export function checkHistory(db: LedgerDb, publicKey: string): void {
  const sealed = "SELECT DISTINCT key FROM seals WHERE what = 'rollout'";
  const keys = new Set([...keysOf(db, 'rollout'), ...prepared<[], string>(db, sealed).pluck().all()]);
  const fault = keys.size === 0 ? null : chainFault(db, publicKey, 1);
  if (fault !== null) throw foreign(db, fault);
  for (const key of keys) checkSeal(db, 'rollout', key, `the list of what happened to rollout ${nameIn(key)}`);
}

/** The events after one, each as it was sealed. Throws AppError `conflict` at one that is not. */
export function sealedEvents(db: LedgerDb, after: number): EventPage {
  const sql = `${EVENT} WHERE id > ? ORDER BY id LIMIT ${PAGE_ROWS}`;
  const events = prepared<[number], EventRow>(db, sql).all(after);
  let checked: number | null = null;
  for (const { id, decisionId, rolloutId } of events) {
    if (decisionId !== null && decisionId === checked) continue;
    checkWritten(db, { id, decisionId, kind: 'event' }, `event ${id} of rollout ${rolloutId}`);
    checked = decisionId;
  }
  return { events, next: events.length < PAGE_ROWS ? null : (events.at(-1)?.id ?? null) };
}

/** Checks an event or a question, which may have been sealed with a decision. Throws AppError `conflict`. */
export function checkWritten(
  db: LedgerDb,
  row: { readonly id: number; readonly decisionId: number | null; readonly kind: 'event' | 'ask' },
  subject: string,
): void {
  if (row.decisionId === null) checkSeal(db, row.kind, JSON.stringify([row.id]), subject);
  else checkSeal(db, 'decision', JSON.stringify([row.decisionId]), `${subject}, or its decision ${row.decisionId},`);
}

/** Checks that rows are as they were sealed. Throws AppError `conflict`, which names them with `subject`. */
export function checkSeal(db: LedgerDb, what: Sealed, key: string, subject: string): void {
  const sealed = sealedDigest(db, what, key);
  if (sealed === null) throw foreign(db, `${subject} was never sealed`);
  if (digestOf(db, what, key) !== sealed) throw foreign(db, `${subject} was changed after it was sealed`);
}

function nameIn(key: string): string {
  return String((JSON.parse(key) as unknown[])[0]);
}

/** The refusal of a ledger in which another program wrote, or from which rows are gone. */
export function foreign(db: LedgerDb, what: string): AppError {
  return new AppError('conflict', `${db.name} cannot be believed: ${what}`, {
    hint:
      'another program wrote in it. Its rollouts do not run, and nobody manages their endpoints, which may cost money: ' +
      'put back a copy of the ledger with its key, or stop them with `upshift endpoints`. ' +
      '`upshift audit --verify` lists everything that differs',
  });
}
