import { OUTCOMES } from '../../core/call.ts';
import type { Known } from '../../core/judge/call-order.ts';
import type { LedgerDb } from '../database.ts';
import { CALL_COLUMNS, CALL_SELECT, judgedAt, toFigures } from './arrivals.ts';
import type { ArrivalPage, Raw } from './arrivals.ts';
import { FLAG } from './call-writer.ts';
import { startOf } from './history.ts';

/** A live call of the shadow stage and its copy. */
export interface JudgedPair {
  readonly arrivedAtUs: number;
  /** When both halves set out: once the call had been held for as long as a limit wanted. */
  readonly setOutAtUs: number;
  readonly stable: Known;
  readonly canary: Known;
}

const PAGE_ROWS = 5_000;
/** A bare s.id would bring its affinity, and SQLite then does not use the index on an expression. */
const LIVE = `c.id - c.duration_us = +s.id AND c.flags & ${FLAG.hasShadow}`;
const PAIR_COLUMNS = CALL_COLUMNS + 6;

/** The next pairs of a rollout of which both halves are in the ledger, arrived after a time, epoch µs. */
export function pairPage(db: LedgerDb, rolloutId: string, afterUs: number): ArrivalPage {
  const rows = db
    .prepare(
      `SELECT ${CALL_SELECT}, s.outcome_id, s.known_us, s.duration_us, s.first_token_us, s.prompt_tokens, s.output_tokens
       FROM shadows s
       CROSS JOIN calls c ON ${LIVE}
       LEFT JOIN attempts f ON f.id = c.id * 4
       WHERE s.id > ? AND s.rollout_id = (SELECT id FROM rollout_names WHERE name = ?)
       ORDER BY s.id LIMIT ${PAGE_ROWS}`,
    )
    .raw()
    .all(Math.max(afterUs, startOf(db, rolloutId)), rolloutId) as Raw[];
  return {
    figures: toFigures(rows, PAIR_COLUMNS),
    next: rows.length < PAGE_ROWS ? null : (rows.at(-1)?.[0] as number),
  };
}

/** All pairs of a rollout in the order of their arrival. */
export function* pairs(db: LedgerDb, rolloutId: string): Generator<JudgedPair> {
  for (let after: number | null = 0; after !== null;) {
    const page: ArrivalPage = pairPage(db, rolloutId, after);
    yield* readPairs(page);
    after = page.next;
  }
}

/** The pairs of a page. */
export function* readPairs({ figures }: ArrivalPage): Generator<JudgedPair> {
  for (let at = 0; at < figures.length; at += PAIR_COLUMNS) {
    const number = (column: number) => figures[at + CALL_COLUMNS + column] as number;
    const orNull = (column: number) => (Number.isNaN(number(column)) ? null : number(column));
    const stable = judgedAt(figures, at);
    const canary: Known = {
      outcome: OUTCOMES[number(0)] ?? 'gateway_error',
      knownAfterUs: number(1),
      durationUs: number(2),
      firstTokenUs: orNull(3),
      promptTokens: orNull(4),
      outputTokens: orNull(5),
    };
    const { arrivedAtUs, waitedUs } = stable;
    yield { arrivedAtUs, setOutAtUs: arrivedAtUs + waitedUs, stable, canary };
  }
}
