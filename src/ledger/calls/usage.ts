import { DELAYED_US } from '../../core/call.ts';
import { OUTCOMES } from '../../core/outcome.ts';
import type { UsageCall } from '../../core/usage/log.ts';
import type { LedgerDb } from '../database.ts';
import { FLAG } from './flags.ts';
import { cutPage, pagesOf } from './pages.ts';

/** A call for a model. `model` and `agent` are their numbers in the ledger. */
export interface LoggedUsage extends UsageCall {
  readonly model: number;
}

const PAGE_ROWS = 20_000;
const REFUSED_ID = OUTCOMES.indexOf('rate_limited');

/**
 * All calls for models that ended after one time and not after another, epoch µs, in the order of their ends; only those of
 * `model` if it is given. Reads only what usage needs, about a million calls a second.
 */
export function* usageCalls(
  db: LedgerDb,
  { afterUs, untilUs, model }: { readonly afterUs: number; readonly untilUs: number; readonly model: string | null },
): Generator<LoggedUsage> {
  const ofModel = model === null ? 'route_id IS NOT NULL' : 'route_id = (SELECT id FROM routes WHERE model = ?)';
  const statement = db
    .prepare(
      `SELECT ended_at_us, duration_us, route_id, agent_id, flags, outcome_id, repeat_gap_us, ifnull(waited_us, 0),
         ifnull(prompt_tokens, 0) + ifnull(output_tokens, 0)
       FROM calls WHERE ended_at_us > ? AND ended_at_us <= ? AND ${ofModel}
       ORDER BY ended_at_us, gateway_id LIMIT ${PAGE_ROWS}`,
    )
    .raw();
  const read = (after: number) =>
    cutPage(statement.all(after, untilUs, ...(model === null ? [] : [model])) as Row[], PAGE_ROWS);
  for (const { rows } of pagesOf(afterUs, read)) {
    for (const [endedAtUs, durationUs, routeId, agentId, flags, outcome, repeatGapUs, waitedUs, tokens] of rows) {
      yield {
        model: routeId,
        arrivedAtMs: (endedAtUs - durationUs) / 1_000,
        endedAtMs: endedAtUs / 1_000,
        agent: agentId,
        isRefused:
          (flags & (FLAG.canary | FLAG.throughOutage)) === 0 &&
          (outcome === REFUSED_ID || (waitedUs >= DELAYED_US && (flags & (FLAG.outage | FLAG.full)) === 0)),
        isRepeat: repeatGapUs !== null,
        isDedicated: (flags & FLAG.dedicated) !== 0,
        tokens,
      };
    }
  }
}

type Row = readonly [
  endedAtUs: number,
  durationUs: number,
  routeId: number,
  agentId: number,
  flags: number,
  outcome: number,
  repeatGapUs: number | null,
  waitedUs: number,
  tokens: number,
];

/** Finds the model, or the agent, of a number. */
export function namesOf(db: LedgerDb): {
  readonly model: (id: number) => string;
  readonly agent: (id: number) => string;
} {
  const models = db.prepare<[number], string>('SELECT model FROM routes WHERE id = ?').pluck();
  const agents = db.prepare<[number], string>('SELECT name FROM agents WHERE id = ?').pluck();
  return { model: (id) => models.get(id) ?? '', agent: (id) => agents.get(id) ?? '' };
}
