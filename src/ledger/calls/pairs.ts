import { OUTCOMES } from '../../core/outcome.ts';
import { decodeAgreement } from '../../core/form/agreement.ts';
import { decodeForm } from '../../core/form/form.ts';
import type { Known } from '../../core/judge/call-order.ts';
import { nameKey } from '../../core/judge/name-key.ts';
import type { PairKey } from '../../core/judge/shadow-pairs.ts';
import type { LedgerDb } from '../database.ts';
import { CALL_COLUMNS, CALL_SELECT, FIRST_ATTEMPT, judgedAt, toFigures } from './arrivals.ts';
import type { ArrivalPage } from './arrivals.ts';
import { FLAG } from './flags.ts';
import { startOf } from './history.ts';
import { cutPage, pagesOf } from './pages.ts';

/** A live call and its copy. */
export interface JudgedPair extends PairKey {
  readonly stable: Known;
  readonly canary: Known;
}

const PAGE_ROWS = 5_000;
/** Without the plus SQLite does not use the index: a bare column brings its affinity, and the index is on an expression. */
const LIVE = `c.ended_at_us - c.duration_us = +s.arrived_at_us AND c.gateway_id = s.gateway_id
  AND c.flags & ${FLAG.hasShadow}`;
const PAIR_COLUMNS = CALL_COLUMNS + 11;

/** The next pairs of a rollout that arrived after a time, epoch µs, and of which both halves are in the ledger. */
export function pairPage(db: LedgerDb, rolloutId: string, afterUs: number): ArrivalPage {
  const found = db
    .prepare(
      `SELECT ${CALL_SELECT}, s.outcome_id, s.known_after_us, s.duration_us, s.first_token_us, s.prompt_tokens,
         s.output_tokens, s.is_empty, s.form, ifnull(s.agreement, c.agreement),
         (SELECT p.name FROM providers p WHERE p.id = c.provider_id),
         (SELECT g.name FROM agents g WHERE g.id = c.agent_id)
       FROM shadows s
       CROSS JOIN calls c ON ${LIVE}
       ${FIRST_ATTEMPT}
       WHERE s.arrived_at_us > ? AND s.rollout_name_id = (SELECT id FROM rollout_names WHERE name = ?)
       ORDER BY s.arrived_at_us, s.gateway_id LIMIT ${PAGE_ROWS}`,
    )
    .raw()
    .all(Math.max(afterUs, startOf(db, rolloutId)), rolloutId) as (number | string | null)[][];
  const inNumbers = found.map((row) => row.map((value) => (typeof value === 'string' ? nameKey(value) : value)));
  const { rows, next } = cutPage(inNumbers, PAGE_ROWS);
  return { figures: toFigures(rows, PAIR_COLUMNS), next };
}

/** All pairs of a rollout in the order of their arrival. */
export function* pairs(db: LedgerDb, rolloutId: string): Generator<JudgedPair> {
  for (const page of pagesOf(0, (after) => pairPage(db, rolloutId, after))) yield* readPairs(page);
}

/** The pairs of a page. */
export function* readPairs({ figures }: ArrivalPage): Generator<JudgedPair> {
  for (let at = 0; at < figures.length; at += PAIR_COLUMNS) {
    const number = (column: number) => figures[at + CALL_COLUMNS + column] as number;
    const orNull = (column: number) => (Number.isNaN(number(column)) ? null : number(column));
    const [form, agreement, provider] = [orNull(7), orNull(8), orNull(9)];
    const stable = { ...judgedAt(figures, at), ...(provider !== null && { provider }) };
    const canary: Known = {
      outcome: OUTCOMES[number(0)] ?? 'gateway_error',
      knownAfterUs: number(1),
      durationUs: number(2),
      firstTokenUs: orNull(3),
      promptTokens: orNull(4),
      outputTokens: orNull(5),
      isEmpty: orNull(6) === null ? null : number(6) === 1,
      form: form === null ? null : decodeForm(form),
      ...(agreement !== null && { agreement: decodeAgreement(agreement) }),
    };
    const { gatewayId, arrivedAtUs, waitedUs, step, asks } = stable;
    const agent = orNull(10);
    const ofCall = { ...(agent !== null && { agent }), ...(asks !== undefined && { asks }) };
    yield { gatewayId, arrivedAtUs, setOutAtUs: arrivedAtUs + waitedUs, step, ...ofCall, stable, canary };
  }
}
