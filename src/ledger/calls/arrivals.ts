import { knownAfterUs } from '../../core/call.ts';
import { decodeForm } from '../../core/form/form.ts';
import { OUTCOMES, REJECTING_STATUSES } from '../../core/outcome.ts';
import { decodeAsks } from '../../core/judge/asks.ts';
import type { HistoryCall } from '../../core/judge/profile.ts';
import type { RecordedCall } from '../../core/judge/replay.ts';
import type { UpstreamKind } from '../../core/route.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';
import { startOf } from './history.ts';
import { pagesOf } from './pages.ts';
import type { Page } from './pages.ts';

/** Which calls are read: the eligible ones of a rollout, or those of a model that were assigned to a kind in a span. */
export type Choice =
  { readonly kind: 'rollout'; readonly rolloutId: string } | ({ readonly kind: 'history' } & History);

/** Calls of a history: those that ended within a span, epoch µs. */
interface History {
  readonly model: string;
  readonly upstream: UpstreamKind;
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** Which times the chosen calls have, epoch µs, at one moment: what is written later is not read. */
export interface Span {
  readonly firstEndUs: number;
  readonly lastEndUs: number;
  readonly firstArrivalUs: number;
  readonly longestUs: number;
}

/** Some calls in the order of their arrival, as numbers, because numbers pass between threads at little cost. */
export interface ArrivalPage extends Page {
  /** CALL_COLUMNS numbers per call; NaN stands for null. */
  readonly figures: Float64Array;
}

const PAGE_ROWS = 5_000;
const MOST_HISTORY = 200_000;

/**
 * What is read of a call `c` and its first attempt `f`. The time in a call's key may be some µs after its end, if another
 * call already had the earlier time; the end of its last attempt is exact.
 */
export const CALL_SELECT = `c.ended_at_us - c.duration_us AS arrived_at_us, c.flags, c.step, c.weight_per_10000,
  c.outcome_id,
  ifnull((SELECT t.started_after_us + t.duration_us FROM attempts t
    WHERE t.call_ended_at_us = c.ended_at_us AND t.gateway_id = c.gateway_id
    ORDER BY t.position DESC LIMIT 1), c.duration_us),
  c.first_token_us, c.prompt_tokens, c.output_tokens, f.started_after_us, f.status, f.first_byte_us, f.duration_us,
  ifnull(c.waited_us, 0), c.gateway_id, f.upstream,
  CASE WHEN f.upstream = 1 AND f.status IN (${REJECTING_STATUSES.join()}) THEN (
    SELECT t.started_after_us + ifnull(t.first_byte_us, t.duration_us) FROM attempts t
    WHERE t.call_ended_at_us = c.ended_at_us AND t.gateway_id = c.gateway_id AND t.position > 0
    ORDER BY t.position DESC LIMIT 1) END,
  c.unit_id, c.form,
  (SELECT (instr(n.name || '+', '+tools+') > 0) + 2 * (instr(n.name || '+', '+structured+') > 0)
    FROM shapes n WHERE n.id = c.shape_id)`;
export const CALL_COLUMNS = 20;
/** Joins the first attempt `f` of a call `c`. */
export const FIRST_ATTEMPT =
  'LEFT JOIN attempts f ON f.call_ended_at_us = c.ended_at_us AND f.gateway_id = c.gateway_id AND f.position = 0';

/** Finds which times the chosen calls have; null if there are none. Of a history the newest 200,000 are taken. */
export function spanOf(db: LedgerDb, choice: Choice): Span | null {
  const { where, values, after, until, most } = termsOf(db, choice);
  const found = db
    .prepare(
      `SELECT min(ended_at_us), max(ended_at_us), min(ended_at_us - duration_us), max(duration_us) FROM (
         SELECT c.ended_at_us, c.duration_us FROM calls c WHERE c.ended_at_us > ? AND c.ended_at_us <= ? AND ${where}
         ORDER BY c.ended_at_us DESC, c.gateway_id DESC LIMIT ?)`,
    )
    .raw()
    .get(after, until, ...values, most) as [number, number, number, number] | [null, null, null, null];
  const [firstEndUs, lastEndUs, firstArrivalUs, longestUs] = found;
  return firstEndUs === null ? null : { firstEndUs, lastEndUs, firstArrivalUs, longestUs };
}

/**
 * The next of the chosen calls that arrived after a time, epoch µs; possibly none although more follow. The file has calls
 * in the order of their ends, so the page goes up to the end of the 5,000th call from here: every call that arrived by
 * then ended within the duration of the longest call.
 */
export function arrivalPage(db: LedgerDb, choice: Choice, span: Span, afterUs: number): ArrivalPage {
  const { where, values } = termsOf(db, choice);
  const first = Math.max(afterUs + 1, span.firstEndUs);
  const end = db
    .prepare<unknown[], number>(
      `SELECT c.ended_at_us FROM calls c WHERE c.ended_at_us >= ? AND c.ended_at_us <= ? AND ${where}
       ORDER BY c.ended_at_us, c.gateway_id LIMIT 1 OFFSET ${PAGE_ROWS - 1}`,
    )
    .pluck()
    .get(first, span.lastEndUs, ...values);
  const next = end === undefined || end >= span.lastEndUs ? null : end;
  const until = next ?? span.lastEndUs;
  const rows = db
    .prepare(
      `SELECT ${CALL_SELECT} FROM calls c ${FIRST_ATTEMPT}
       WHERE c.ended_at_us >= ? AND c.ended_at_us <= ? AND ${where}
         AND c.ended_at_us - c.duration_us > ? AND c.ended_at_us - c.duration_us <= ?
       ORDER BY arrived_at_us, c.gateway_id`,
    )
    .raw()
    .all(first, Math.min(span.lastEndUs, until + span.longestUs), ...values, afterUs, until) as Raw[];
  return { figures: toFigures(rows, CALL_COLUMNS), next };
}

/** All eligible calls of a rollout that have a role, in the order of their arrival. */
export function* judgedCalls(db: LedgerDb, rolloutId: string): Generator<RecordedCall> {
  const choice = { kind: 'rollout', rolloutId } as const;
  const span = spanOf(db, choice);
  if (span === null) return;
  for (const page of pagesOf(span.firstArrivalUs - 1, (after) => arrivalPage(db, choice, span, after))) {
    yield* readJudged(page);
  }
}

/** The calls of a page of a rollout. */
export function* readJudged({ figures }: ArrivalPage): Generator<RecordedCall> {
  for (let at = 0; at < figures.length; at += CALL_COLUMNS) yield judgedAt(figures, at);
}

/** The calls of a page of a history. */
export function* readPast(page: ArrivalPage): Generator<HistoryCall> {
  for (const call of readJudged(page)) {
    const { arrivedAtUs, durationUs, outcome, firstTokenUs, promptTokens, outputTokens, isEmpty, form } = call;
    yield { arrivedAtUs, durationUs, outcome, firstTokenUs, promptTokens, outputTokens, isEmpty, form };
  }
}

/** The call whose CALL_COLUMNS numbers begin at a place. */
export function judgedAt(figures: Float64Array, at: number): RecordedCall {
  const number = (column: number) => figures[at + column] as number;
  const orNull = (column: number) => (Number.isNaN(number(column)) ? null : number(column));
  const waitedUs = number(13);
  const durationUs = number(5) - waitedUs;
  const firstTokenUs = orNull(6);
  const outcome = OUTCOMES[number(4)] ?? 'gateway_error';
  const first = {
    outcome,
    upstream: number(15) === 1 ? ('dedicated' as const) : ('serverless' as const),
    startedAfterUs: number(9),
    status: number(10),
    firstByteUs: orNull(11),
    durationUs: number(12),
  };
  const lastKnownUs = orNull(16);
  const unit = orNull(17);
  const form = orNull(18);
  const asks = orNull(19);
  const last = lastKnownUs === null ? null : { startedAfterUs: lastKnownUs, firstByteUs: 0, durationUs: 0 };
  return {
    gatewayId: number(14),
    arrivedAtUs: number(0),
    // A call that was never sent was held until it ended.
    assignedAtUs: number(0) + (Number.isNaN(first.startedAfterUs) ? durationUs : first.startedAfterUs - waitedUs),
    waitedUs,
    role: (number(1) & FLAG.canary) === 0 ? 'stable' : 'canary',
    step: number(2),
    weight: number(3) / 10_000,
    ...(unit !== null && { unit }),
    ...(asks !== null && { asks: decodeAsks(asks) }),
    outcome,
    knownAfterUs: Number.isNaN(first.startedAfterUs) ? durationUs : knownAfterUs(first, last) - waitedUs,
    durationUs,
    firstTokenUs: firstTokenUs === null ? null : firstTokenUs - waitedUs,
    promptTokens: orNull(7),
    outputTokens: orNull(8),
    isEmpty: (number(1) & FLAG.emptinessKnown) === 0 ? null : (number(1) & FLAG.empty) !== 0,
    form: form === null ? null : decodeForm(form),
  };
}

type Raw = readonly (number | null)[];

/** Rows as numbers one after the other, NaN for null. */
export function toFigures(rows: readonly Raw[], columns: number): Float64Array {
  const figures = new Float64Array(rows.length * columns);
  rows.forEach((row, i) => {
    for (let column = 0; column < columns; column++) figures[i * columns + column] = row[column] ?? Number.NaN;
  });
  return figures;
}

const ROLES = FLAG.canary | FLAG.wayBack;
/**
 * On a way back stable is the endpoint. A call without a role went to serverless, unless serverless was out or the endpoint
 * full.
 */
const ASSIGNED_TO: Readonly<Record<UpstreamKind, string>> = {
  serverless: `c.flags & ${FLAG.bypass | FLAG.throughOutage | FLAG.full} = 0 AND c.flags & ${ROLES | FLAG.hasRole} NOT IN (${FLAG.hasRole | FLAG.canary}, ${FLAG.hasRole | FLAG.wayBack})`,
  dedicated: `c.flags & ${ROLES | FLAG.hasRole} IN (${FLAG.hasRole | FLAG.canary}, ${FLAG.hasRole | FLAG.wayBack})`,
};

interface Terms {
  readonly where: string;
  readonly values: readonly string[];
  readonly after: number;
  readonly until: number;
  /** -1: all. */
  readonly most: number;
}

function termsOf(db: LedgerDb, choice: Choice): Terms {
  if (choice.kind === 'rollout') {
    const eligible = FLAG.eligible | FLAG.hasRole;
    return {
      where: `c.rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?) AND c.flags & ${eligible} = ${eligible}`,
      values: [choice.rolloutId],
      after: startOf(db, choice.rolloutId),
      until: Number.MAX_SAFE_INTEGER,
      most: -1,
    };
  }
  // Only kinds of calls that an endpoint can answer, because only these are compared. Calls past the gateway are left out,
  // because other programs measured their times, and because they may be reported after the profile was learned.
  return {
    where: `c.route_id = (SELECT id FROM routes WHERE model = ?) AND ${ASSIGNED_TO[choice.upstream]}
      AND c.shape_id IN (
      SELECT id FROM shapes WHERE substr(name, 1, instr(name || '+', '+') - 1) IN ('chat', 'completion', 'embedding'))`,
    values: [choice.model],
    after: choice.sinceUs - 1,
    until: choice.untilUs,
    most: MOST_HISTORY,
  };
}

/** The calls of a model that were assigned to serverless and ended within a span, epoch µs: the newest 200,000. */
export function* historyCalls(db: LedgerDb, model: string, sinceUs: number, untilUs: number): Generator<HistoryCall> {
  const choice = { kind: 'history', model, upstream: 'serverless', sinceUs, untilUs } as const;
  const span = spanOf(db, choice);
  if (span === null) return;
  for (const page of pagesOf(span.firstArrivalUs - 1, (after) => arrivalPage(db, choice, span, after))) {
    yield* readPast(page);
  }
}
