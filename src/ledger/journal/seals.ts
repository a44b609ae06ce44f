import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { sha256 } from '../sha256.ts';

/** Whether a span `s` of an endpoint `e` will not grow any more. */
const IS_OVER = `(e.gone_at_ms IS NOT NULL
  OR s.from_minute < (SELECT max(from_minute) FROM endpoint_spans WHERE endpoint_id = e.id))`;

/**
 * What a seal covers: rows that belong together and do not change once they are sealed. `key`: the JSON array of the
 * values for the question marks of the queries. All columns of all rows that the queries find are covered.
 */
const SEALED = {
  /** A decision with the events that it led to and the question that it asked. */
  decision: {
    keys: 'SELECT json_array(id) FROM decisions',
    rows: [
      'SELECT * FROM decisions WHERE id = ?',
      'SELECT * FROM events WHERE decision_id = ? ORDER BY id',
      'SELECT * FROM asks WHERE decision_id = ? ORDER BY id',
    ],
  },
  /** An event that no decision led to. */
  event: {
    keys: 'SELECT json_array(id) FROM events WHERE decision_id IS NULL',
    rows: ['SELECT * FROM events WHERE id = ?'],
  },
  /** A question that no decision asked. */
  ask: {
    keys: 'SELECT json_array(id) FROM asks WHERE decision_id IS NULL',
    rows: ['SELECT * FROM asks WHERE id = ?'],
  },
  /**
   * Which events and questions a rollout has had. Their own seals say what they are, and this one shows that none is missing
   * and that none was given to another rollout.
   */
  rollout: {
    keys: `SELECT json_array(id) FROM rollouts UNION SELECT json_array(rollout_id) FROM events
      UNION SELECT json_array(rollout_id) FROM asks`,
    rows: [
      'SELECT id FROM rollouts WHERE id = ?',
      'SELECT id, decision_id FROM events WHERE rollout_id = ? ORDER BY id',
      'SELECT id, decision_id FROM asks WHERE rollout_id = ? ORDER BY id',
    ],
  },
  /** A request, sealed when it came, and with its answer once more. */
  request: {
    keys: 'SELECT json_array(id) FROM requests',
    rows: ['SELECT * FROM requests WHERE id = ?', 'SELECT * FROM request_outcomes WHERE request_id = ?'],
  },
  policy: {
    keys: 'SELECT json_array(hash) FROM policies',
    rows: ['SELECT * FROM policies WHERE hash = ?'],
  },
  /** A price in the router's list. */
  price: {
    keys: 'SELECT json_array(model, provider, from_at_ms) FROM provider_prices',
    rows: ['SELECT * FROM provider_prices WHERE model = ? AND provider = ? AND from_at_ms = ?'],
  },
  /** A line of an organization's bill. */
  bill: {
    keys: 'SELECT json_array(org, day, model, provider) FROM bills',
    rows: ['SELECT * FROM bills WHERE org = ? AND day = ? AND model = ? AND provider = ?'],
  },
  /** Minutes in a row of an endpoint, once another span follows or the endpoint is gone. */
  span: {
    keys: `SELECT json_array(s.endpoint_id, s.from_minute) FROM endpoint_spans s JOIN endpoints e ON e.id = s.endpoint_id
      WHERE ${IS_OVER}`,
    rows: [
      `SELECT s.*, e.namespace, e.name, e.created_at_ms FROM endpoint_spans s JOIN endpoints e ON e.id = s.endpoint_id
       WHERE s.endpoint_id = ? AND s.from_minute = ? AND ${IS_OVER}`,
    ],
  },
  /** What was seen of an endpoint. When it was last seen moves with each look, so it counts once the endpoint is gone. */
  endpoint: {
    keys: 'SELECT json_array(namespace, name, created_at_ms) FROM endpoints',
    rows: [
      `SELECT id, namespace, name, created_at_ms, model, rollout_id, instance, first_seen_at_ms, state, replicas,
         hourly_price_micros, updated_at_ms, gone_at_ms, iif(gone_at_ms IS NULL, NULL, last_seen_at_ms)
       FROM endpoints WHERE namespace = ? AND name = ? AND created_at_ms = ?`,
    ],
  },
  /** A day of calls, with the digest of each block of them. */
  calls: {
    keys: 'SELECT json_array(id) FROM call_closings WHERE closed_at_ms IS NOT NULL',
    rows: [
      'SELECT * FROM call_closings WHERE id = ? AND closed_at_ms IS NOT NULL',
      'SELECT * FROM call_blocks WHERE closing_id = ? ORDER BY is_late, until_us',
    ],
  },
} as const satisfies Record<string, { readonly keys: string; readonly rows: readonly string[] }>;

export type Sealed = keyof typeof SEALED;

/** Everything that is sealed. */
export const SEALED_KINDS = Object.keys(SEALED) as readonly Sealed[];

/** The digest of what the daemon itself has removed, or has opened again: a span that goes on after all. */
export const REMOVED = '';

/** The columns of a seal that the chain covers: all but the hash and its signature. */
export interface Seal {
  readonly id: number;
  readonly what: string;
  readonly key: string;
  readonly digest: string;
  readonly at: number;
}

/** The previous hash of the first seal. */
export const CHAIN_START = '';

/** SHA-256, as hex, over the hash of the seal before and a canonical encoding of every column: a JSON array. */
export function sealHash(previous: string, { id, what, key, digest, at }: Seal): string {
  return sha256(JSON.stringify([previous, id, what, key, digest, at]));
}

/** SHA-256, as hex, of the rows that a seal covers, as the ledger has them now; null if it has none of them. */
export function digestOf(db: LedgerDb, what: Sealed, key: string): string | null {
  const values = JSON.parse(key) as unknown[];
  const found = SEALED[what].rows.map((sql) => statement(db, sql).all(...values));
  return found.every((rows) => rows.length === 0) ? null : sha256(JSON.stringify(found));
}

function statement(db: LedgerDb, sql: string) {
  return prepared<unknown[], unknown[]>(db, sql).raw();
}

/** The keys of all rows of a kind that a ledger has, sealed or not. */
export function keysOf(db: LedgerDb, what: Sealed): string[] {
  return db.prepare<[], string>(SEALED[what].keys).pluck().all();
}

/** Signs a text. Returns the signature as base64. */
export type Sign = (text: string) => string;

/**
 * Seals rows as the ledger has them now, or that they were removed. What was sealed before is sealed anew: the newest seal
 * holds. Call it within the transaction that writes the rows. `at`: epoch ms.
 */
export function seal(db: LedgerDb, sign: Sign, at: number, rows: readonly (readonly [Sealed, ...unknown[]])[]): void {
  const insert = prepared(
    db,
    'INSERT INTO seals (id, what, key, digest, sealed_at_ms, hash, signature) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  let last = lastSeal(db) ?? { id: 0, hash: CHAIN_START };
  for (const [what, ...values] of rows) {
    const key = JSON.stringify(values);
    const digest = digestOf(db, what, key) ?? REMOVED;
    const next = { id: last.id + 1, what, key, digest, at: Math.round(at) };
    const hash = sealHash(last.hash, next);
    insert.run(next.id, what, key, digest, next.at, hash, sign(hash));
    last = { id: next.id, hash };
  }
}

/** The digest by which rows were sealed last; null if they were not. */
export function sealedDigest(db: LedgerDb, what: Sealed, key: string): string | null {
  const sql = 'SELECT digest FROM seals WHERE what = ? AND key = ? ORDER BY id DESC LIMIT 1';
  return prepared<[string, string], string>(db, sql).pluck().get(what, key) ?? null;
}

/** The newest seal of a row with one number as its key; null if there is none, or if it cannot be read. */
export function sealOf(db: LedgerDb, what: Sealed, id: number): number | null {
  try {
    const sql = 'SELECT max(id) FROM seals WHERE what = ? AND key = ?';
    return (
      prepared<[string, string], number | null>(db, sql)
        .pluck()
        .get(what, JSON.stringify([id])) ?? null
    );
  } catch {
    return null;
  }
}

/** Of some rows those that differ from what was sealed of them: new, changed, removed, or open again. */
export function unsealed<Row extends readonly [Sealed, ...unknown[]]>(db: LedgerDb, rows: readonly Row[]): Row[] {
  return rows.filter(([what, ...values]) => {
    const key = JSON.stringify(values);
    return (digestOf(db, what, key) ?? REMOVED) !== (sealedDigest(db, what, key) ?? REMOVED);
  });
}

/** The newest seal; null if there is none. */
export function lastSeal(db: LedgerDb): { readonly id: number; readonly hash: string } | null {
  const sql = 'SELECT id, hash FROM seals ORDER BY id DESC LIMIT 1';
  return prepared<[], { id: number; hash: string }>(db, sql).get() ?? null;
}
