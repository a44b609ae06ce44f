import { OUTCOMES } from '../../core/outcome.ts';
import type { CallKey } from '../../core/call.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { CallShape, Role, UpstreamKind } from '../../core/route.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';
import { cutPage, pagesOf } from './pages.ts';
import type { Page } from './pages.ts';

/** A call in the ledger; of its attempts only how the first one ended. Times in epoch µs and µs. */
export interface LoggedCall extends CallKey {
  readonly endedAtUs: number;
  readonly durationUs: number;
  readonly model: string | null;
  readonly shape: CallShape;
  readonly agent: string;
  readonly isAgentDerived: boolean;
  readonly step: number;
  readonly role: Role | null;
  readonly isWayBack: boolean;
  /** Whether it was given to the endpoint, without a role, because serverless was out. */
  readonly isThroughOutage: boolean;
  readonly isEligible: boolean;
  readonly servedBy: UpstreamKind | null;
  readonly status: number;
  readonly outcome: Outcome;
  /** How the call ended for its client. */
  readonly finalOutcome: Outcome;
  readonly firstByteUs: number | null;
  readonly firstTokenUs: number | null;
  readonly isRepeat: boolean;
  readonly waitedUs: number;
  /** Whether it waited because serverless was out. */
  readonly wasOut: boolean;
  /** Whether its endpoint was full, so that it got no role. */
  readonly wasFull: boolean;
  readonly hasNoToken: boolean;
  /** Whether it went past the gateway. */
  readonly isBypass: boolean;
}

/** Some calls in the order of their ends, as numbers, because numbers pass between threads at little cost. */
export interface CallPage extends Page {
  /** COLUMNS numbers per call; NaN stands for null. */
  readonly figures: Float64Array;
  readonly models: ReadonlyMap<number, string>;
  readonly shapes: ReadonlyMap<number, string>;
  readonly agents: ReadonlyMap<number, readonly [name: string, isDerived: number]>;
}

const COLUMNS = 15;
const PAGE_ROWS = 5_000;
const SELECT = `SELECT ended_at_us, duration_us, route_id, agent_id, shape_id, step, flags, status, outcome_id,
  first_byte_us, first_token_us, repeat_gap_us, waited_us, final_outcome_id, gateway_id
  FROM calls WHERE ended_at_us > ?`;
const ORDER = `ORDER BY ended_at_us, gateway_id LIMIT ${PAGE_ROWS}`;

/** All calls that ended after a time, epoch µs. */
export function recentPage(db: LedgerDb, afterUs: number): CallPage {
  return toPage(db, db.prepare(`${SELECT} ${ORDER}`).raw().all(afterUs) as Raw[]);
}

/** The eligible calls that a rollout assigned to a role and that ended after a time, epoch µs. */
export function stepPage(db: LedgerDb, rolloutId: string, afterUs: number): CallPage {
  const eligible = FLAG.eligible | FLAG.hasRole;
  const rows = db
    .prepare(
      `${SELECT} AND rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?) AND flags & ${eligible} = ${eligible}
       ${ORDER}`,
    )
    .raw()
    .all(Math.max(afterUs, startOf(db, rolloutId)), rolloutId) as Raw[];
  return toPage(db, rows);
}

/** A time, epoch µs, after which all calls of a rollout ended: just before it was created. */
export function startOf(db: LedgerDb, rolloutId: string): number {
  const sql = 'SELECT created_at_ms FROM rollouts WHERE id = ?';
  return (db.prepare<[string], number>(sql).pluck().get(rolloutId) ?? 0) * 1_000 - 1;
}

/** The calls of a page. */
export function* readPage({ figures, models, shapes, agents }: CallPage): Generator<LoggedCall> {
  for (let at = 0; at < figures.length; at += COLUMNS) {
    const number = (column: number) => figures[at + column] as number;
    const orNull = (column: number) => (Number.isNaN(number(column)) ? null : number(column));
    const flags = number(6);
    const [agent, isDerived] = agents.get(number(3)) ?? ['', 0];
    yield {
      gatewayId: number(14),
      arrivedAtUs: number(0) - number(1),
      endedAtUs: number(0),
      durationUs: number(1),
      model: models.get(number(2)) ?? null,
      shape: shapes.get(number(4)) ?? '',
      agent,
      isAgentDerived: isDerived === 1,
      step: number(5),
      role: (flags & FLAG.hasRole) === 0 ? null : (flags & FLAG.canary) === 0 ? 'stable' : 'canary',
      isWayBack: (flags & FLAG.wayBack) !== 0,
      isThroughOutage: (flags & FLAG.throughOutage) !== 0,
      isEligible: (flags & FLAG.eligible) !== 0,
      servedBy: (flags & FLAG.served) === 0 ? null : (flags & FLAG.dedicated) === 0 ? 'serverless' : 'dedicated',
      status: number(7),
      outcome: OUTCOMES[number(8)] ?? 'gateway_error',
      finalOutcome: OUTCOMES[number(13)] ?? 'gateway_error',
      firstByteUs: orNull(9),
      firstTokenUs: orNull(10),
      isRepeat: orNull(11) !== null,
      waitedUs: orNull(12) ?? 0,
      wasOut: (flags & FLAG.outage) !== 0,
      wasFull: (flags & FLAG.full) !== 0,
      hasNoToken: (flags & FLAG.noToken) !== 0,
      isBypass: (flags & FLAG.bypass) !== 0,
    };
  }
}

type Raw = readonly (number | null)[];

function toPage(db: LedgerDb, found: readonly Raw[]): CallPage {
  const { rows, next } = cutPage(found, PAGE_ROWS);
  const figures = new Float64Array(rows.length * COLUMNS);
  const models = new Map<number, string>();
  const shapes = new Map<number, string>();
  const agents = new Map<number, readonly [string, number]>();
  const findModel = db.prepare<[number], string>('SELECT model FROM routes WHERE id = ?').pluck();
  const findShape = db.prepare<[number], string>('SELECT name FROM shapes WHERE id = ?').pluck();
  const findAgent = db.prepare('SELECT name, is_derived FROM agents WHERE id = ?').raw();
  rows.forEach((row, i) => {
    for (let column = 0; column < COLUMNS; column++) figures[i * COLUMNS + column] = row[column] ?? Number.NaN;
    const [, , modelId, agentId, shapeId] = row as readonly number[];
    if (modelId != null && !models.has(modelId)) models.set(modelId, findModel.get(modelId) ?? '');
    if (shapeId != null && !shapes.has(shapeId)) shapes.set(shapeId, findShape.get(shapeId) ?? '');
    if (agentId != null && !agents.has(agentId))
      agents.set(agentId, (findAgent.get(agentId) ?? ['', 0]) as [string, number]);
  });
  return { figures, models, shapes, agents, next };
}

/** The calls of a model that arrived in a minute, and those of them that overflowed to serverless. */
export interface CallsOfMinute {
  readonly atMs: number;
  readonly calls: number;
  readonly overflowed: number;
}

/** How many calls of a model arrived in each minute since a time, epoch ms, of those that have ended. */
export function callsPerMinute(db: LedgerDb, model: string, sinceMs: number): CallsOfMinute[] {
  const sql = `SELECT (ended_at_us - duration_us) / 60000000 * 60000 AS atMs, count(*) AS calls,
      sum((flags & ${FLAG.overflow} <> 0 OR outcome_id = ${OUTCOMES.indexOf('saturated')})
        AND flags & ${FLAG.served | FLAG.dedicated} = ${FLAG.served}) AS overflowed
    FROM calls
    WHERE ended_at_us > @since AND route_id = (SELECT id FROM routes WHERE model = @model)
      AND ended_at_us - duration_us >= @since AND repeat_gap_us IS NULL
    GROUP BY 1 ORDER BY 1`;
  return db.prepare<object, CallsOfMinute>(sql).all({ model, since: Math.floor(sinceMs * 1_000) });
}

/** All calls that ended after one time and not after another, epoch µs, in the order of their ends. */
export function* demandCalls(db: LedgerDb, afterUs: number, untilUs: number): Generator<LoggedCall> {
  for (const page of pagesOf(Math.max(0, afterUs), (after) => recentPage(db, after))) {
    for (const call of readPage(page)) {
      if (call.endedAtUs > untilUs) return;
      yield call;
    }
  }
}
