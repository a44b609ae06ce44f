import { knownAfterUs, OUTCOMES } from '../../core/call.ts';
import type { Outcome } from '../../core/call.ts';
import type { Assigned, Known } from '../../core/judge/call-order.ts';
import type { UpstreamKind } from '../../core/route.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './call-writer.ts';
import { startOf } from './history.ts';

/** A call that was assigned to one kind of upstream. Times in clock µs. */
export interface PastCall {
  readonly arrivedAtUs: number;
  readonly durationUs: number;
  readonly outcome: Outcome;
  readonly firstTokenUs: number | null;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
}

/** A call of a rollout as the call order takes it. */
export type LoggedJudged = Assigned & Known;

/** Which calls are read: the eligible ones of a rollout, or those of a model that were assigned to a kind in a span. */
export type Choice =
  { readonly kind: 'rollout'; readonly rolloutId: string } | ({ readonly kind: 'history' } & History);

/** Of what a history is: calls that ended within a span, epoch µs. */
interface History {
  readonly model: string;
  readonly upstream: UpstreamKind;
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** Where the chosen calls stand in the file at one moment: what comes later is not read. */
export interface Span {
  readonly firstId: number;
  readonly lastId: number;
  readonly firstArrivalUs: number;
  readonly longestUs: number;
}

/** Some calls in the order of their arrival, as numbers, so that they pass cheaply between threads. */
export interface ArrivalPage {
  /** CALL_COLUMNS numbers per call; NaN stands for null. */
  readonly figures: Float64Array;
  /** What the next page begins after, epoch µs; null after the last page. */
  readonly next: number | null;
}

const PAGE_ROWS = 5_000;
const MOST_HISTORY = 200_000;

/**
 * What is read of a call `c` and its first attempt `f`. A call's key may be some µs behind its end, where another call
 * had that place; its last attempt ended exactly when it did.
 */
export const CALL_SELECT = `c.id - c.duration_us AS arrived_us, c.flags, c.step, c.weight, c.outcome_id,
  ifnull((SELECT t.started_us + t.duration_us FROM attempts t WHERE t.id BETWEEN c.id * 4 AND c.id * 4 + 3
    ORDER BY t.id DESC LIMIT 1), c.duration_us),
  c.first_token_us, c.prompt_tokens, c.output_tokens, f.started_us, f.status, f.first_byte_us, f.duration_us,
  ifnull(c.waited_us, 0)`;
export const CALL_COLUMNS = 14;

/** Finds where the chosen calls stand; null where there are none. Of a history the newest 200,000 are taken. */
export function spanOf(db: LedgerDb, choice: Choice): Span | null {
  const { where, values, after, until, most } = termsOf(db, choice);
  const found = db
    .prepare(
      `SELECT min(id), max(id), min(id - duration_us), max(duration_us) FROM (
         SELECT c.id, c.duration_us FROM calls c WHERE c.id > ? AND c.id <= ? AND ${where} ORDER BY c.id DESC LIMIT ?)`,
    )
    .raw()
    .get(after, until, ...values, most) as [number, number, number, number] | [null, null, null, null];
  const [firstId, lastId, firstArrivalUs, longestUs] = found;
  return firstId === null ? null : { firstId, lastId, firstArrivalUs, longestUs };
}

/**
 * The next of the chosen calls, arrived after a time, epoch µs; possibly none although more follow. The file has them in
 * the order of their ends, so a page ends with the end of the so-manieth call from here: what arrived before that has
 * ended when the longest call would have.
 */
export function arrivalPage(db: LedgerDb, choice: Choice, span: Span, afterUs: number): ArrivalPage {
  const { where, values } = termsOf(db, choice);
  const first = Math.max(afterUs + 1, span.firstId);
  const end = db
    .prepare<unknown[], number>(
      `SELECT c.id FROM calls c WHERE c.id >= ? AND c.id <= ? AND ${where} ORDER BY c.id LIMIT 1 OFFSET ${PAGE_ROWS - 1}`,
    )
    .pluck()
    .get(first, span.lastId, ...values);
  const next = end === undefined || end >= span.lastId ? null : end;
  const until = next ?? span.lastId;
  const rows = db
    .prepare(
      `SELECT ${CALL_SELECT} FROM calls c LEFT JOIN attempts f ON f.id = c.id * 4
       WHERE c.id >= ? AND c.id <= ? AND ${where} AND c.id - c.duration_us > ? AND c.id - c.duration_us <= ?
       ORDER BY arrived_us`,
    )
    .raw()
    .all(first, Math.min(span.lastId, until + span.longestUs), ...values, afterUs, until) as Raw[];
  return { figures: toFigures(rows, CALL_COLUMNS), next };
}

/** All eligible calls of a rollout that have a role, in the order of their arrival. */
export function* judgedCalls(db: LedgerDb, rolloutId: string): Generator<LoggedJudged> {
  const choice = { kind: 'rollout', rolloutId } as const;
  const span = spanOf(db, choice);
  if (span === null) return;
  for (let after: number | null = span.firstArrivalUs - 1; after !== null;) {
    const page: ArrivalPage = arrivalPage(db, choice, span, after);
    yield* readJudged(page);
    after = page.next;
  }
}

/** The calls of a page of a rollout. */
export function* readJudged({ figures }: ArrivalPage): Generator<LoggedJudged> {
  for (let at = 0; at < figures.length; at += CALL_COLUMNS) yield judgedAt(figures, at);
}

/** The calls of a page of a history. */
export function* readPast(page: ArrivalPage): Generator<PastCall> {
  for (const { arrivedAtUs, durationUs, outcome, firstTokenUs, promptTokens, outputTokens } of readJudged(page)) {
    yield { arrivedAtUs, durationUs, outcome, firstTokenUs, promptTokens, outputTokens };
  }
}

/** The call whose CALL_COLUMNS numbers begin at a place. */
export function judgedAt(figures: Float64Array, at: number): LoggedJudged {
  const number = (column: number) => figures[at + column] as number;
  const orNull = (column: number) => (Number.isNaN(number(column)) ? null : number(column));
  const waitedUs = number(13);
  const durationUs = number(5) - waitedUs;
  const firstTokenUs = orNull(6);
  const first = { startedAfterUs: number(9), status: number(10), firstByteUs: orNull(11), durationUs: number(12) };
  return {
    arrivedAtUs: number(0),
    // One that was never sent was held until it ended.
    assignedAtUs: number(0) + (Number.isNaN(first.startedAfterUs) ? durationUs : first.startedAfterUs - waitedUs),
    waitedUs,
    role: (number(1) & FLAG.canary) === 0 ? 'stable' : 'canary',
    step: number(2),
    weight: number(3) / 10_000,
    outcome: OUTCOMES[number(4)] ?? 'gateway_error',
    knownAfterUs: Number.isNaN(first.startedAfterUs) ? durationUs : knownAfterUs(first) - waitedUs,
    durationUs,
    firstTokenUs: firstTokenUs === null ? null : firstTokenUs - waitedUs,
    promptTokens: orNull(7),
    outputTokens: orNull(8),
  };
}

export type Raw = readonly (number | null)[];

/** Rows as numbers one after the other, NaN for null. */
export function toFigures(rows: readonly Raw[], columns: number): Float64Array {
  const figures = new Float64Array(rows.length * columns);
  rows.forEach((row, i) => {
    for (let column = 0; column < columns; column++) figures[i * columns + column] = row[column] ?? Number.NaN;
  });
  return figures;
}

const ROLES = FLAG.canary | FLAG.wayBack;
/** A role of a way back is the other way round; one without a role went to serverless. */
const ASSIGNED_TO: Readonly<Record<UpstreamKind, string>> = {
  serverless: `c.flags & ${FLAG.bypass} = 0 AND c.flags & ${ROLES | FLAG.hasRole} NOT IN (${FLAG.hasRole | FLAG.canary}, ${FLAG.hasRole | FLAG.wayBack})`,
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
      where: `c.rollout_id = (SELECT id FROM rollout_names WHERE name = ?) AND c.flags & ${eligible} = ${eligible}`,
      values: [choice.rolloutId],
      after: startOf(db, choice.rolloutId),
      until: Number.MAX_SAFE_INTEGER,
      most: -1,
    };
  }
  // Of kinds that an endpoint may be given: what else a model is used for says nothing of what will be compared. Nor do
  // calls past the gateway: others took their times, and they may be told of when what was usual has been learned.
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
export function* historyCalls(db: LedgerDb, model: string, sinceUs: number, untilUs: number): Generator<PastCall> {
  const choice = { kind: 'history', model, upstream: 'serverless', sinceUs, untilUs } as const;
  const span = spanOf(db, choice);
  if (span === null) return;
  for (let after: number | null = span.firstArrivalUs - 1; after !== null;) {
    const page: ArrivalPage = arrivalPage(db, choice, span, after);
    yield* readPast(page);
    after = page.next;
  }
}
