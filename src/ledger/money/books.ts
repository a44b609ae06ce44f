import { isAlike, minuteOf } from '../../core/money/books.ts';
import type { BookedReading, BookSource, BookSpan, EndpointReading } from '../../core/money/books.ts';
import type { Spending } from '../../core/money/spending.ts';
import { MINUTE_MS } from '../../core/time.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { seal, unsealed } from '../journal/seals.ts';
import type { Sign } from '../journal/seals.ts';

/** Which endpoint it is. `createdAt`: epoch ms, as the management API says. */
export interface EndpointIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly createdAt: number;
  readonly model: string;
  /** e.g. `aws us-east-1 nvidia-l4 x1` */
  readonly instance: string;
}

/** A recorded endpoint that still exists, as far as is known. */
export interface BookedEndpoint extends EndpointIdentity {
  readonly reading: BookedReading;
}

/** What is written of one endpoint. `spans` replace the spans that are there from their first minute on. */
export interface BookEntry {
  readonly endpoint: EndpointIdentity;
  readonly spans: readonly BookSpan[];
  /** Null if the endpoint no longer exists. */
  readonly reading: EndpointReading | null;
  /** When it was read, epoch ms. */
  readonly at: number;
}

interface EndpointRow extends EndpointIdentity {
  readonly at: number;
  readonly state: string;
  readonly replicas: number;
  readonly priceMicros: number | null;
  readonly updatedAt: number | null;
  readonly minuteReplicas: number | null;
  readonly minutePriceMicros: number | null;
  readonly minuteSource: BookSource | null;
}

/** The endpoints that existed at the last reading. */
export function bookedEndpoints(db: LedgerDb): BookedEndpoint[] {
  const sql = `SELECT e.namespace, e.name, e.created_at_ms AS createdAt, e.model, e.instance,
      e.last_seen_at_ms AS at, e.state, e.replicas, e.hourly_price_micros AS priceMicros, e.updated_at_ms AS updatedAt, s.replicas AS minuteReplicas,
      s.hourly_price_micros AS minutePriceMicros, s.source AS minuteSource
    FROM endpoints e LEFT JOIN endpoint_spans s ON s.endpoint_id = e.id
      AND s.from_minute = (SELECT max(from_minute) FROM endpoint_spans WHERE endpoint_id = e.id)
    WHERE e.gone_at_ms IS NULL`;
  return prepared<[], EndpointRow>(db, sql)
    .all()
    .map(
      ({
        minuteReplicas,
        minutePriceMicros,
        minuteSource,
        at,
        state,
        replicas,
        priceMicros,
        updatedAt,
        ...endpoint
      }) => ({
        ...endpoint,
        reading: {
          at,
          state,
          replicas,
          priceMicros,
          updatedAt,
          minute: { replicas: minuteReplicas ?? 0, priceMicros: minutePriceMicros, source: minuteSource ?? 'reading' },
        },
      }),
    );
}

/**
 * Writes readings and the spans that follow from them, and seals what was seen and the spans that are over. Call it
 * within a transaction.
 */
export function book(db: LedgerDb, entries: readonly BookEntry[], sign: Sign): void {
  for (const entry of entries) {
    const id = bookEndpoint(db, entry);
    bookSpans(db, id, entry.spans);
    const priced = priceSpans(db, id, entry.reading?.priceMicros ?? null);
    const from = Math.min(...priced, ...entry.spans.map(({ fromMinute }) => fromMinute));
    // The last span before them may have ended earlier than before, or be over now.
    sealSpans(db, id, startBefore(db, id, from), entry.at, sign);
    const { namespace, name, createdAt } = entry.endpoint;
    seal(db, sign, entry.at, unsealed(db, [['endpoint', namespace, name, createdAt]]));
  }
}

/** Notes the price in minutes that were written while it was not known. Returns where their spans begin. */
function priceSpans(db: LedgerDb, id: number, price: number | null): number[] {
  if (price === null) return [];
  const sql = `UPDATE endpoint_spans SET hourly_price_micros = ?
    WHERE endpoint_id = ? AND hourly_price_micros IS NULL RETURNING from_minute`;
  return prepared<unknown[], number>(db, sql).pluck().all(price, id);
}

/** Where the last span begins that begins before a minute; that minute if there is none. */
function startBefore(db: LedgerDb, id: number, minute: number): number {
  const sql = 'SELECT max(from_minute) FROM endpoint_spans WHERE endpoint_id = ? AND from_minute < ?';
  return prepared<unknown[], number | null>(db, sql).pluck().get(id, minute) ?? minute;
}

/** Seals the spans from a minute on that differ from what was sealed of them: those that are over, removed, or open again. */
function sealSpans(db: LedgerDb, id: number, from: number, at: number, sign: Sign): void {
  const known = `SELECT from_minute FROM endpoint_spans WHERE endpoint_id = ?1 AND from_minute >= ?2
    UNION SELECT key ->> 1 FROM seals WHERE what = 'span' AND key ->> 0 = ?1 AND key ->> 1 >= ?2`;
  const starts = prepared<unknown[], number>(db, known).pluck().all({ 1: id, 2: from });
  const due = starts.map((start) => ['span', id, start] as const);
  seal(db, sign, at, unsealed(db, due));
}

function bookEndpoint(db: LedgerDb, { endpoint, reading, at }: BookEntry): number {
  const { namespace, name, createdAt, model, instance } = endpoint;
  if (reading === null) {
    const sql = `UPDATE endpoints SET gone_at_ms = ? WHERE namespace = ? AND name = ? AND created_at_ms = ? RETURNING id`;
    return prepared<unknown[], number>(db, sql).pluck().get(Math.round(at), namespace, name, createdAt) as number;
  }
  const owner = ownerOf(db, namespace, name);
  const seenAt = Math.round(reading.at);
  const updatedAt = reading.updatedAt === null ? null : Math.round(reading.updatedAt);
  const sql = `INSERT INTO endpoints (namespace, name, created_at_ms, model, rollout_id, instance, first_seen_at_ms,
      last_seen_at_ms, state, replicas, hourly_price_micros, updated_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, name, created_at_ms) DO UPDATE SET model = excluded.model, instance = excluded.instance,
      rollout_id = ifnull(rollout_id, excluded.rollout_id), last_seen_at_ms = excluded.last_seen_at_ms,
      state = excluded.state,
      replicas = excluded.replicas, hourly_price_micros = ifnull(excluded.hourly_price_micros, hourly_price_micros),
      updated_at_ms = excluded.updated_at_ms, gone_at_ms = NULL
    RETURNING id`;
  return prepared<unknown[], number>(db, sql)
    .pluck()
    .get(
      namespace,
      name,
      createdAt,
      owner?.model ?? model,
      owner?.id ?? null,
      instance,
      seenAt,
      seenAt,
      reading.state,
      reading.replicas,
      reading.priceMicros,
      updatedAt,
    ) as number;
}

/**
 * The rollout that made an endpoint for one of its instances, and the model of its route. An endpoint may serve the
 * repository of another model: the base of an adapter.
 */
function ownerOf(db: LedgerDb, namespace: string, name: string): { id: string; model: string } | undefined {
  const sql = `SELECT r.id, m.model FROM rollouts r JOIN routes m ON m.id = r.route_id
    WHERE r.toward = 'dedicated' AND r.snapshot ->> 'namespace' = ? AND (r.snapshot ->> 'endpointName' = ?
      OR EXISTS (SELECT 1 FROM json_each(r.snapshot, '$.left') WHERE value ->> 'endpointName' = ?))`;
  return prepared<unknown[], { id: string; model: string }>(db, sql).get(namespace, name, name);
}

function bookSpans(db: LedgerDb, id: number, spans: readonly BookSpan[]): void {
  const [first, ...rest] = spans;
  if (first === undefined) return;
  prepared(db, 'DELETE FROM endpoint_spans WHERE endpoint_id = ? AND from_minute >= ?').run(id, first.fromMinute);
  prepared(db, 'UPDATE endpoint_spans SET until_minute = ? WHERE endpoint_id = ? AND until_minute > ?').run(
    first.fromMinute,
    id,
    first.fromMinute,
  );
  const last = prepared<unknown[], BookSpan>(
    db,
    `SELECT from_minute AS fromMinute, until_minute AS untilMinute, state, replicas,
         hourly_price_micros AS priceMicros, source
       FROM endpoint_spans WHERE endpoint_id = ? ORDER BY from_minute DESC LIMIT 1`,
  ).get(id);
  const isSame = last !== undefined && last.untilMinute === first.fromMinute && isAlike(last, first);
  if (isSame) {
    const sql = 'UPDATE endpoint_spans SET until_minute = ? WHERE endpoint_id = ? AND from_minute = ?';
    prepared(db, sql).run(first.untilMinute, id, last.fromMinute);
  }
  const insert = prepared(
    db,
    `INSERT INTO endpoint_spans (endpoint_id, from_minute, until_minute, state, replicas, hourly_price_micros, source)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const span of isSame ? rest : spans) {
    insert.run(id, span.fromMinute, span.untilMinute, span.state, span.replicas, span.priceMicros, span.source);
  }
}

/** See `Spending`. */
export function spending(db: LedgerDb, model: string, rolloutId: string | null, now: number): Spending {
  const minute = minuteOf(now);
  const from = { hour: minute - 59, day: Math.floor(now / 86_400_000) * 1_440 };
  // After the last reading an endpoint is assumed to go on unchanged.
  const spans = `SELECT s.from_minute, s.until_minute, s.replicas * ifnull(s.hourly_price_micros, 0) AS rate, e.rollout_id
      FROM endpoints e JOIN endpoint_spans s ON s.endpoint_id = e.id WHERE e.model = $model
    UNION ALL SELECT e.last_seen_at_ms / ${MINUTE_MS} + 1, $minute + 1,
        e.replicas * ifnull(e.hourly_price_micros, 0), e.rollout_id
      FROM endpoints e WHERE e.model = $model AND e.gone_at_ms IS NULL AND e.last_seen_at_ms / ${MINUTE_MS} < $minute`;
  const since = (name: string) =>
    `total(max(0, min(until_minute, $minute + 1) - max(from_minute, ${name})) * rate) / 60`;
  const sql = `SELECT ${since('$hour')} AS hour, ${since('$day')} AS day,
      total((until_minute - from_minute) * rate * (rollout_id IS $rolloutId AND $rolloutId IS NOT NULL)) / 60 AS rollout,
      (SELECT total(replicas * ifnull(hourly_price_micros, 0)) FROM endpoints
        WHERE model = $model AND gone_at_ms IS NULL) AS rate
    FROM (${spans})`;
  const sums = prepared<unknown[], { hour: number; day: number; rollout: number; rate: number }>(db, sql).get({
    model,
    minute,
    rolloutId,
    ...from,
  }) as { hour: number; day: number; rollout: number; rate: number };
  return {
    hourMicros: Math.round(sums.hour),
    dayMicros: Math.round(sums.day),
    rolloutMicros: Math.round(sums.rollout),
    ratePerHourMicros: Math.round(sums.rate),
    at: now,
  };
}
