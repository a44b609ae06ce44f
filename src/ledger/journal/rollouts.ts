import { AppError } from '../../core/errors.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { readPolicy } from '../../core/policy/stored.ts';
import { FLAG } from '../calls/flags.ts';
import { startOf } from '../calls/history.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { EVENT, ROLLOUT } from './rows.ts';
import type { EventRow, RolloutRow } from './rows.ts';

/** A decision without input and output. `at`: epoch ms; `ticks`: how many ticks the row stands for. */
export interface DecisionRow {
  readonly id: number;
  readonly at: number;
  readonly model: string;
  readonly rolloutId: string | null;
  readonly coreVersion: number;
  readonly policyHash: string | null;
  readonly action: string;
  readonly reason: string;
  readonly cause: string | null;
  readonly detail: string | null;
  readonly ticks: number;
}

/** A decision with its input and output, JSON. */
export interface DecisionRecord extends DecisionRow {
  readonly input: string;
  readonly output: string;
  readonly hash: string;
}

/** Shares of one step's eligible calls, 0..1. `units`: how many calls, or agents' blocks of time, were assigned. */
export interface StepShare {
  readonly step: number;
  /** The weight that was set. */
  readonly weight: number;
  readonly calls: number;
  readonly assigned: number;
  readonly measured: number;
  readonly served: number;
  readonly units: number;
}

const DECISION = `SELECT id, decided_at_ms AS at, model, rollout_id AS rolloutId, core_version AS coreVersion, policy_hash AS policyHash,
  action, reason, cause, output ->> 'detail' AS detail, ticks`;

/** All rollouts, oldest first. */
export function listRollouts(db: LedgerDb): RolloutRow[] {
  return prepared<[], RolloutRow>(db, `${ROLLOUT} ORDER BY p.created_at_ms, p.id`).all();
}

/**
 * The rollout whose id begins with a prefix; null if there is none. Throws AppError `conflict` if there are several.
 */
export function findRollout(db: LedgerDb, prefix: string): RolloutRow | null {
  const sql = `${ROLLOUT} WHERE substr(p.id, 1, length(@prefix)) = @prefix ORDER BY p.id`;
  const found = db.prepare<{ prefix: string }, RolloutRow>(sql).all({ prefix });
  const exact = found.find(({ id }) => id === prefix) ?? found[0] ?? null;
  if (found.length > 1 && exact?.id !== prefix) {
    throw new AppError('conflict', `${prefix} is the beginning of several rollouts`, {
      hint: `name one of them: ${found.map(({ id }) => id).join(', ')}`,
    });
  }
  return exact;
}

/** The policy of its route that a rollout pins. Throws AppError `not_found` if the ledger does not have it. */
export function pinnedPolicy(db: LedgerDb, { id, model, policyHash }: RolloutRow): RoutePolicy {
  const sql = 'SELECT parsed FROM policies WHERE hash = ?';
  const parsed = db.prepare<[string], string>(sql).pluck().get(policyHash);
  const policy = parsed === undefined ? undefined : readPolicy(parsed, policyHash);
  const route = policy?.routes.find((each) => each.model === model);
  if (route !== undefined) return route;
  throw new AppError('not_found', `the ledger does not have the policy of rollout ${id}`);
}

/** The newest decisions that match the filter, oldest first. `since`: epoch ms. */
export function listDecisions(
  db: LedgerDb,
  filter: { readonly rollout?: string; readonly since?: number; readonly limit?: number } = {},
): DecisionRow[] {
  const sql = `SELECT * FROM (${DECISION} FROM decisions WHERE (@rollout IS NULL OR rollout_id = @rollout) AND decided_at_ms >= @since
    ORDER BY id DESC LIMIT @limit) ORDER BY id`;
  const { rollout = null, since = 0, limit = -1 } = filter;
  return db.prepare<object, DecisionRow>(sql).all({ rollout, since: Math.round(since), limit });
}

/** One decision with its input and output. */
export function decision(db: LedgerDb, id: number): DecisionRecord | null {
  const sql = `${DECISION}, input, output,
      (SELECT hash FROM seals WHERE what = 'decision' AND key = json_array(decisions.id) ORDER BY id DESC LIMIT 1) AS hash
    FROM decisions WHERE id = ?`;
  return db.prepare<[number], DecisionRecord>(sql).get(id) ?? null;
}

/** The events of a rollout, in order. */
export function events(db: LedgerDb, rolloutId: string): EventRow[] {
  return prepared<[string], EventRow>(db, `${EVENT} WHERE rollout_id = ? ORDER BY id`).all(rolloutId);
}

/** How many calls the ledger has. */
export function countCalls(db: LedgerDb): number {
  return db.prepare<[], number>('SELECT count(*) FROM calls').pluck().get() ?? 0;
}

/** How many prompt and output tokens each kind of upstream has counted. */
export function tokensServed(db: LedgerDb): { servedBy: string; prompt: number; output: number }[] {
  const sql = `SELECT CASE WHEN flags & ${FLAG.dedicated} THEN 'dedicated' ELSE 'serverless' END AS servedBy,
      total(prompt_tokens) AS prompt, total(output_tokens) AS output
    FROM calls WHERE flags & ${FLAG.served} GROUP BY 1 ORDER BY 1 DESC`;
  return db.prepare<[], { servedBy: string; prompt: number; output: number }>(sql).all();
}

/**
 * The share of eligible calls that each step assigned to the canary, and the share that the endpoint served in the end,
 * counted from the calls. One entry for each weight that a step had.
 */
export function measuredShares(db: LedgerDb, rolloutId: string): StepShare[] {
  const eligible = FLAG.eligible | FLAG.hasRole;
  const sql = `SELECT step, weight_per_10000 / 10000.0 AS weight, count(*) AS calls,
      sum(flags & ${FLAG.canary} <> 0) AS assigned, sum(flags & ${FLAG.dedicated} <> 0) AS dedicated, 
      count(DISTINCT unit_id) + sum(unit_id IS NULL) AS units
    FROM calls WHERE ended_at_us > ? AND rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?)
      AND flags & ${eligible} = ${eligible}
    GROUP BY step, weight_per_10000 ORDER BY step, weight_per_10000`;
  const rows = db
    .prepare<unknown[], Omit<StepShare, 'measured' | 'served'> & { dedicated: number }>(sql)
    .all(startOf(db, rolloutId), rolloutId);
  return rows.map(({ dedicated, ...row }) => ({
    ...row,
    measured: row.assigned / row.calls,
    served: dedicated / row.calls,
  }));
}
