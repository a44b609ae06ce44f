import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { isSignedBy } from './key.ts';
import { CHAIN_START, digestOf, lastSeal, sealHash, sealedDigest } from './seals.ts';
import type { Seal, Sealed } from './seals.ts';

type StoredSeal = Seal & { readonly hash: string; readonly signature: string };

/**
 * Whether rows are as the holder of a key sealed them last: their newest seal fits and is signed, and no seal after it was
 * changed or removed, because an older seal would hold again if somebody removed a newer one. `values`: their key.
 */
export function isSealedBy(db: LedgerDb, publicKey: string, what: Sealed, values: readonly unknown[]): boolean {
  const key = JSON.stringify(values);
  const newest = prepared<[string, string], number | null>(db, 'SELECT max(id) FROM seals WHERE what = ? AND key = ?');
  const first = newest.pluck().get(what, key) ?? null;
  if (first === null || sealedDigest(db, what, key) !== digestOf(db, what, key)) return false;
  return chainFault(db, publicKey, first) === null;
}

/**
 * What is wrong with the chain of seals from one of them on; null if none was changed or removed and the key signed them. The
 * signature of the newest is enough, because its hash covers all before it.
 */
export function chainFault(db: LedgerDb, publicKey: string, first: number): string | null {
  const last = lastSeal(db)?.id;
  let previous = before(db, first);
  const sql = 'SELECT id, what, key, digest, sealed_at_ms AS at, hash, signature FROM seals WHERE id >= ? ORDER BY id';
  for (const row of prepared<[number], StoredSeal>(db, sql).iterate(first)) {
    if (row.id !== previous.id + 1) return `seal ${previous.id + 1} is missing`;
    if (row.hash !== sealHash(previous.hash, row)) return `seal ${row.id} was changed`;
    if (row.id === last && !isSignedBy(publicKey, row.hash, row.signature)) {
      return `seal ${row.id}, the newest, was not signed with the key beside the ledger`;
    }
    previous = row;
  }
  return null;
}

function before(db: LedgerDb, id: number): Pick<StoredSeal, 'id' | 'hash'> {
  const hash = prepared<[number], string>(db, 'SELECT hash FROM seals WHERE id = ?')
    .pluck()
    .get(id - 1);
  return { id: id - 1, hash: hash ?? CHAIN_START };
}
