import { DELAYED_US } from '../../core/call.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';

/** What the requests that arrived in a span got. Each request counts, also one that repeats a refused one. */
export interface SpanFigures {
  readonly requests: number;
  /** Answered with 429 because an upstream refused them. */
  readonly refusedUpstream: number;
  /** Answered with 429 by the gateway, which sent them nowhere. */
  readonly refusedHere: number;
  /** Held by the gateway for a second or more, to keep the limit, and then answered. */
  readonly held: number;
  /** The 95th percentile of the answered requests, from arrival to end, clock ms; null if none was answered. */
  readonly p95Ms: number | null;
}

/** The figures of a model's requests that arrived between two times, epoch ms of clock time; the first one included. */
export function spanFigures(db: LedgerDb, model: string, from: number, until: number): SpanFigures {
  const span = { model, from: Math.round(from * 1_000), until: Math.round(until * 1_000) };
  const inSpan = `FROM calls c WHERE c.ended_at_us >= @from AND c.ended_at_us - c.duration_us >= @from
    AND c.ended_at_us - c.duration_us < @until AND c.route_id = (SELECT id FROM routes WHERE model = @model)`;
  const isSent = `EXISTS (SELECT 1 FROM attempts t WHERE t.call_ended_at_us = c.ended_at_us AND t.gateway_id = c.gateway_id)`;
  const isHeld = `c.waited_us >= ${DELAYED_US} AND c.flags & ${FLAG.outage | FLAG.full} = 0`;
  const counts = prepared<[object], Omit<SpanFigures, 'p95Ms'>>(
    db,
    `SELECT count(*) AS requests, ifnull(sum(c.status = 429 AND ${isSent}), 0) AS refusedUpstream,
       ifnull(sum(c.status = 429 AND NOT ${isSent}), 0) AS refusedHere,
       ifnull(sum(c.status <> 429 AND ifnull(${isHeld}, 0)), 0) AS held ${inSpan}`,
  ).get(span) as Omit<SpanFigures, 'p95Ms'>;
  const answered = `${inSpan} AND c.status BETWEEN 200 AND 299`;
  const p95Us = prepared<[object], number>(
    db,
    `SELECT c.duration_us ${answered} ORDER BY c.duration_us
     LIMIT 1 OFFSET (SELECT max(0, (count(*) * 95 + 99) / 100 - 1) ${answered})`,
  )
    .pluck()
    .get(span);
  return { ...counts, p95Ms: p95Us === undefined ? null : p95Us / 1_000 };
}
