import type { LedgerDb } from '../database.ts';
import { isSignedBy } from './key.ts';
import { CHAIN_START, REMOVED, SEALED_KINDS, digestOf, keysOf, sealHash } from './seals.ts';
import type { Seal, Sealed } from './seals.ts';

/** Takes what is wrong. `decisionId`: null if it is not about a single decision. `seal`: the seal of what is wrong. */
export type Say = (decisionId: number | null, what: string, seal?: number) => void;

/** The seal that holds for some rows. */
interface Holding {
  readonly id: number;
  readonly digest: string;
}

/** What the chain of seals shows. */
export interface SealsReport {
  /** How many there are. */
  readonly count: number;
  /** Hash of the newest one; null if there is none. */
  readonly head: string | null;
  /** How many rows of each kind they cover. */
  readonly covered: Readonly<Record<Sealed, number>>;
}

type StoredSeal = Seal & { readonly hash: string; readonly signature: string };

/** What each kind is called in a sentence. */
const NAMES: Readonly<Record<Sealed, string>> = {
  decision: 'decision',
  event: 'event',
  ask: 'question',
  rollout: 'list of events and questions of rollout',
  request: 'request',
  policy: 'policy',
  price: 'price',
  bill: 'line of a bill',
  span: 'span of an endpoint',
  endpoint: 'endpoint',
  calls: 'closing of calls',
};

/**
 * Checks that the chain of seals is whole and signed, that every row which is to be sealed is sealed, and that no sealed
 * row has changed or is gone. `publicKey`: PEM; null: signatures are not checked. Only reads.
 */
export function checkSeals(db: LedgerDb, publicKey: string | null, say: Say): SealsReport {
  const newest = new Map<string, Holding>();
  const { count, head } = walkChain(db, publicKey, newest, say);
  const covered = Object.fromEntries(SEALED_KINDS.map((what) => [what, checkRows(db, what, newest, say)]));
  for (const [name, { id, digest }] of newest) {
    if (digest === REMOVED) continue;
    const [what, key] = split(name);
    say(decisionOf(what, key), `${subject(what, key)}removed after it was sealed`, id);
  }
  return { count, head, covered: covered as SealsReport['covered'] };
}

/** Fills `newest`: the digest that holds for each kind and key. */
function walkChain(
  db: LedgerDb,
  publicKey: string | null,
  newest: Map<string, Holding>,
  say: Say,
): { count: number; head: string | null } {
  const sql = 'SELECT id, what, key, digest, sealed_at_ms AS at, hash, signature FROM seals ORDER BY id';
  let previous = { id: 0, hash: CHAIN_START };
  let unsigned = 0;
  for (const row of db.prepare<[], StoredSeal>(sql).iterate()) {
    const about = decisionOf(row.what, row.key);
    const expected = previous.id + 1;
    if (row.id !== expected)
      say(about, `seal ${expected}${row.id - 1 > expected ? ` to ${row.id - 1}` : ''} is missing`, expected);
    else if (sealHash(previous.hash, row) !== row.hash)
      say(about, `seal ${row.id} was changed: its hash does not fit`, row.id);
    else if (publicKey !== null && !isSignedBy(publicKey, row.hash, row.signature)) {
      // One sentence says it of all that follow, because a chain that was made anew has no signature that is right.
      if (unsigned++ === 0)
        say(about, `seal ${row.id} was not signed with this key, so somebody else wrote it`, row.id);
    }
    newest.set(`${row.what} ${row.key}`, row);
    previous = row;
  }
  return { count: previous.id, head: previous.id === 0 ? null : previous.hash };
}

/** Returns how many rows of a kind are as they were sealed. */
function checkRows(db: LedgerDb, what: Sealed, newest: Map<string, Holding>, say: Say): number {
  let fine = 0;
  for (const key of keysOf(db, what)) {
    const name = `${what} ${key}`;
    const sealed = newest.get(name);
    newest.delete(name);
    const about = decisionOf(what, key);
    if (sealed === undefined) say(about, `${subject(what, key)}never sealed: it came from another hand`);
    else if (digestNow(db, what, key) !== sealed.digest) {
      const also = what === 'decision' ? ', or a row that belongs to it was' : '';
      say(about, `${subject(what, key)}changed after it was sealed${also}`, sealed.id);
    } else fine++;
  }
  return fine;
}

/** Null as well if a damaged file keeps the rows from being read. */
function digestNow(db: LedgerDb, what: Sealed, key: string): string | null {
  try {
    return digestOf(db, what, key);
  } catch {
    return null;
  }
}

/** What a sentence is about; '' if the decision is named beside it. */
function subject(what: string, key: string): string {
  return what === 'decision' ? '' : `the ${nameOf(what)} ${keyText(key)} was `;
}

function nameOf(what: string): string {
  return (NAMES as Readonly<Record<string, string | undefined>>)[what] ?? what;
}

function keyText(key: string): string {
  return (JSON.parse(key) as unknown[]).join(' ');
}

function split(name: string): [what: string, key: string] {
  const space = name.indexOf(' ');
  return [name.slice(0, space), name.slice(space + 1)];
}

function decisionOf(what: string, key: string): number | null {
  return what === 'decision' ? Number(JSON.parse(key)[0]) : null;
}
