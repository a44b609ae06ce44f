import { minuteOf } from '../../core/money/books.ts';
import { meanTokens, onServerless } from '../../core/money/cost.ts';
import type { EndpointUse, UsageRow } from '../../core/money/cost.ts';
import { priceBook } from '../../core/money/price-book.ts';
import { MINUTE_MS } from '../../core/time.ts';
import { FLAG } from '../calls/flags.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { listPrices } from './prices.ts';

interface Grouped {
  readonly model: string;
  readonly provider: string | null;
  readonly agent: string | null;
  readonly isDedicated: number;
  readonly isOverflow: number;
  readonly hasTokens: number;
  readonly calls: number;
  readonly toldCalls: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly untoldRequestBytes: number;
  readonly untoldResponseBytes: number;
}

/**
 * Sums of the calls that upstreams answered without an error, for each span between two neighbours of `times` (epoch ms,
 * ascending), by model, upstream and provider, and by agent if `byAgent`.
 */
export function usageBetween(
  db: LedgerDb,
  times: readonly number[],
  { byAgent, model }: { readonly byAgent: boolean; readonly model: string | null },
): UsageRow[] {
  const isUntold = 'c.prompt_tokens IS NULL AND c.output_tokens IS NULL';
  const grouped = db.prepare<unknown[], Grouped>(
    `SELECT r.model, p.name AS provider, ${byAgent ? 'a.name' : 'NULL'} AS agent,
       c.flags & ${FLAG.dedicated} <> 0 AS isDedicated, c.flags & ${FLAG.overflow} <> 0 AS isOverflow,
       s.name NOT IN ('native', 'models') AS hasTokens, count(*) AS calls, sum(NOT (${isUntold})) AS toldCalls,
       total(c.prompt_tokens) AS promptTokens, total(c.output_tokens) AS outputTokens,
       total(c.request_bytes * (${isUntold})) AS untoldRequestBytes,
       total(c.response_bytes * (${isUntold})) AS untoldResponseBytes
     FROM calls c JOIN routes r ON r.id = c.route_id JOIN shapes s ON s.id = c.shape_id
     LEFT JOIN providers p ON p.id = c.provider_id ${byAgent ? 'LEFT JOIN agents a ON a.id = c.agent_id' : ''}
     WHERE c.ended_at_us >= $from AND c.ended_at_us < $until AND c.flags & ${FLAG.served} AND c.status < 400
       AND s.name <> 'models'
       AND ($model IS NULL OR r.model = $model)
     GROUP BY c.route_id, c.provider_id, 4, 5, 6 ${byAgent ? ', c.agent_id' : ''} ORDER BY 1, 4, 2, 3, 5`,
  );
  return times.slice(1).flatMap((untilAt, i) => {
    const fromAt = times[i] as number;
    const rows = grouped.all({ from: Math.round(fromAt * 1_000), until: Math.round(untilAt * 1_000), model });
    return rows.map(({ isDedicated, isOverflow, hasTokens, ...row }) => ({
      ...row,
      fromAt,
      untilAt,
      upstream: isDedicated ? ('dedicated' as const) : ('serverless' as const),
      isOverflow: isOverflow === 1,
      hasTokens: hasTokens === 1,
    }));
  });
}

/**
 * The minutes of endpoints since a time, epoch ms, up to the minute of `now`. After the last reading an endpoint is assumed
 * to go on unchanged, which is an estimate.
 */
export function endpointsSince(db: LedgerDb, from: number, now: number, model: string | null): EndpointUse[] {
  const sql = `SELECT e.model, e.name, s.from_minute AS fromMinute, s.until_minute AS untilMinute, s.replicas,
      s.hourly_price_micros AS priceMicros, s.source = 'estimate' AS isEstimate
    FROM endpoint_spans s JOIN endpoints e ON e.id = s.endpoint_id
    WHERE s.until_minute > $from AND s.replicas > 0 AND ($model IS NULL OR e.model = $model)
    UNION ALL SELECT model, name, last_seen_at_ms / ${MINUTE_MS} + 1, $minute + 1, replicas, hourly_price_micros, 1
    FROM endpoints
    WHERE gone_at_ms IS NULL AND replicas > 0 AND last_seen_at_ms / ${MINUTE_MS} < $minute
      AND ($model IS NULL OR model = $model)`;
  const rows = db
    .prepare<unknown[], Omit<EndpointUse, 'isEstimate'> & { isEstimate: number }>(sql)
    .all({ from: minuteOf(from), minute: minuteOf(now), model });
  return rows.map((row) => ({ ...row, isEstimate: row.isEstimate === 1 }));
}

/** Calls from which the cost of a call is computed: those of the last day, and at most so many of all routes. */
const RECENT = { ms: 86_400_000, calls: 20_000 };

/** Mean cost of a recent call of a model if serverless serves it, micro-dollars; null if not known. */
export function costPerCall(db: LedgerDb, model: string, now: number): number | null {
  const nth = prepared<[number], number>(
    db,
    'SELECT ended_at_us FROM calls ORDER BY ended_at_us DESC LIMIT 1 OFFSET ?',
  ).pluck();
  const from = Math.max(now - RECENT.ms, (nth.get(RECENT.calls) ?? 0) / 1_000);
  const rows = usageBetween(db, [from, now], { byAgent: false, model });
  const [means, book] = [meanTokens(rows), priceBook(listPrices(db))];
  let [micros, calls] = [0, 0];
  for (const row of rows) {
    // The calls may be older than the first price that is known, so they are priced as of now.
    const priced = onServerless({ ...row, fromAt: now }, book, means);
    micros += priced.micros;
    calls += row.calls - priced.unpricedCalls;
  }
  return calls === 0 ? null : micros / calls;
}

/** When the cost records begin, epoch ms: with the first call or the first minute of an endpoint; null without either. */
export function beginOfBooks(db: LedgerDb): number | null {
  const sql = `SELECT min(at) FROM (SELECT min(ended_at_us) / 1000 AS at FROM calls
    UNION ALL SELECT min(from_minute) * ${MINUTE_MS} FROM endpoint_spans)`;
  return db.prepare<[], number | null>(sql).pluck().get() ?? null;
}

/** The models that were called or had an endpoint. */
export function costedModels(db: LedgerDb): Set<string> {
  return new Set(db.prepare<[], string>('SELECT model FROM routes UNION SELECT model FROM endpoints').pluck().all());
}
