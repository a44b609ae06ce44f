import type { AskAbout } from '../../core/rollout/ask.ts';
import { prepared } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { sha256 } from '../sha256.ts';

/** An ask that waits for an operator's answer. `figures`: JSON of the figures to decide by; `at`: epoch ms. */
export interface OpenAsk {
  readonly id: number;
  readonly rolloutId: string;
  readonly about: AskAbout;
  readonly step: number;
  readonly policyHash: string;
  readonly verdict: string;
  readonly figures: string;
  readonly at: number;
}

/** A question with the decision that asked it; null if none did. */
export interface Asked extends OpenAsk {
  readonly decisionId: number | null;
}

const COLUMNS = `a.id, a.rollout_id AS rolloutId, ifnull(a.figures ->> '$.about', 'step') AS about, a.step, a.policy_hash AS policyHash, a.verdict, a.figures, a.asked_at_ms AS at`;

const IS_ANSWERED = `EXISTS (SELECT 1 FROM requests q JOIN request_outcomes o ON o.request_id = q.id
  WHERE q.ask_id = a.id AND o.result = 'done')`;

/** The newest ask of a rollout; null if it was answered, or if there is none. Older asks no longer matter. */
export function openAsk(db: LedgerDb, rolloutId: string): OpenAsk | null {
  const sql = `SELECT ${COLUMNS} FROM asks a
    WHERE a.id = (SELECT max(id) FROM asks WHERE rollout_id = ?) AND NOT ${IS_ANSWERED}`;
  return prepared<[string], OpenAsk>(db, sql).get(rolloutId) ?? null;
}

/** The open asks of all rollouts that still wait for the answer, oldest first. */
export function openAsks(db: LedgerDb): (OpenAsk & { readonly model: string })[] {
  const sql = `SELECT ${COLUMNS}, r.model FROM asks a JOIN rollouts p ON p.id = a.rollout_id
    JOIN routes r ON r.id = p.route_id
    WHERE p.phase NOT IN ('draining', 'aborted', 'failed', 'returned') AND a.id = (SELECT max(id) FROM asks WHERE rollout_id = p.id)
      AND NOT ${IS_ANSWERED} AND json_type(p.snapshot, '$.ask') IS NOT 'null'
    ORDER BY a.id`;
  return prepared<[], OpenAsk & { model: string }>(db, sql).all();
}

/** A question, whether it is still open or not, and the decision that asked it; null if there is none. */
export function readAsk(db: LedgerDb, id: number): Asked | null {
  const sql = `SELECT ${COLUMNS}, a.decision_id AS decisionId FROM asks a WHERE a.id = ?`;
  return prepared<[number], Asked>(db, sql).get(id) ?? null;
}

/** Digest, as hex, of a question as people see it. An answer names it, so that it answers what was seen. */
export function askDigest({ id, rolloutId, step, policyHash, verdict, figures, at }: OpenAsk): string {
  return sha256(JSON.stringify([id, rolloutId, step, policyHash, verdict, figures, at]));
}
