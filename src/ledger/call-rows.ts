import type { Attempt, Call, Outcome } from '../core/call.ts';
import { OUTCOMES } from '../core/call.ts';
import type { LedgerDb } from './database.ts';
import { sqliteCode } from './database.ts';
import { Names } from './names.ts';

/** A call on its way to the file. */
export interface CallRow {
  /** When it ended, epoch µs, unique in this process: its key, unless the file already has another call there. */
  readonly id: number;
  readonly call: Call;
}

/** Bits of `calls.flags`. */
export const FLAG = {
  eligible: 1,
  hasRole: 2,
  canary: 4,
  served: 8,
  dedicated: 16,
  clientLeft: 32,
  noToken: 64,
} as const;

const OUTCOME_IDS: ReadonlyMap<Outcome, number> = new Map(OUTCOMES.map((outcome, id) => [outcome, id]));
const MOST_ATTEMPTS = 4;

const INSERT_CALL = `INSERT INTO calls (id, duration_us, route_id, agent_id, shape_id, rollout_id, step, weight, flags, status,
  outcome_id, final_outcome_id, first_byte_us, first_token_us, prompt_tokens, output_tokens, request_bytes, response_bytes,
  repeats_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`;
const INSERT_ATTEMPT = `INSERT INTO attempts (id, upstream, started_us, status, outcome_id, first_byte_us, duration_us)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`;

/** Writes calls through one connection. Writing the same row twice leaves one. */
export class CallWriter {
  readonly #names;
  readonly #insertCall;
  readonly #insertAttempt;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #durationAt;

  constructor(db: LedgerDb) {
    this.#names = {
      routes: new Names(db, 'routes'),
      shapes: new Names(db, 'shapes'),
      rollouts: new Names(db, 'rollout_names'),
      sent: new Names(db, 'agents', false),
      derived: new Names(db, 'agents', true),
    };
    this.#insertCall = db.prepare(INSERT_CALL);
    this.#insertAttempt = db.prepare(INSERT_ATTEMPT);
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = () => {
      if (db.inTransaction) db.exec('ROLLBACK');
    };
    this.#durationAt = db.prepare<[number], number>('SELECT duration_us FROM calls WHERE id = ?').pluck();
  }

  /**
   * Writes the rows from `from` to before `to` in one transaction: all, or none and it throws SQLite's error. Returns
   * how many of them SQLite refuses for good, whatever the state of the file.
   */
  write(rows: readonly CallRow[], from = 0, to = rows.length): number {
    let refused = 0;
    try {
      this.#begin.run();
      for (let i = from; i < to; i++) {
        try {
          this.#writeRow(rows[i] as CallRow);
        } catch (error) {
          if (!isRowsOwnFault(error)) throw error;
          refused++;
        }
      }
      this.#commit.run();
    } catch (error) {
      for (const names of Object.values(this.#names)) names.forget();
      this.#rollback();
      throw error;
    }
    for (const names of Object.values(this.#names)) names.keep();
    return refused;
  }

  #writeRow({ id: endedAtUs, call }: CallRow): void {
    const { routes, shapes, rollouts, sent, derived } = this.#names;
    const routeId = call.model === null ? null : routes.id(call.model);
    const agentId = (call.isAgentDerived ? derived : sent).id(call.agent);
    const shapeId = shapes.id(call.shape);
    const rolloutId = call.rolloutId === null ? null : rollouts.id(call.rolloutId);
    const repeatsUs = call.repeatOfUs === null ? null : call.arrivedAtUs - call.repeatOfUs;
    for (let id = endedAtUs; ; id++) {
      const { changes } = this.#insertCall.run(
        id,
        id - call.arrivedAtUs,
        routeId,
        agentId,
        shapeId,
        rolloutId,
        call.step,
        Math.round(call.weight * 10_000),
        flagsOf(call),
        call.status,
        OUTCOME_IDS.get(call.outcome),
        OUTCOME_IDS.get(call.finalOutcome),
        call.firstByteUs === null ? null : Math.round(call.firstByteUs),
        call.firstTokenUs === null ? null : Math.round(call.firstTokenUs),
        call.promptTokens,
        call.outputTokens,
        call.requestBytes,
        call.responseBytes,
        repeatsUs,
      );
      if (changes === 1) return this.#writeAttempts(id, call.attempts);
      // The clock had been ahead in a former life and the place is taken, or this very call is there already.
      if (id - (this.#durationAt.get(id) ?? 0) === call.arrivedAtUs) return;
    }
  }

  #writeAttempts(callId: number, attempts: readonly Attempt[]): void {
    for (let n = 0; n < attempts.length && n < MOST_ATTEMPTS; n++) {
      const attempt = attempts[n] as Attempt;
      this.#insertAttempt.run(
        callId * MOST_ATTEMPTS + n,
        attempt.upstream === 'dedicated' ? 1 : 0,
        Math.round(attempt.startedAfterUs),
        attempt.status,
        OUTCOME_IDS.get(attempt.outcome),
        attempt.firstByteUs === null ? null : Math.round(attempt.firstByteUs),
        Math.round(attempt.durationUs),
      );
    }
  }
}

function flagsOf(call: Call): number {
  return (
    (call.isEligible ? FLAG.eligible : 0) |
    (call.role === null ? 0 : call.role === 'canary' ? FLAG.hasRole | FLAG.canary : FLAG.hasRole) |
    (call.servedBy === null ? 0 : call.servedBy === 'dedicated' ? FLAG.served | FLAG.dedicated : FLAG.served) |
    (call.hasClientLeft ? FLAG.clientLeft : 0) |
    (call.hasNoToken ? FLAG.noToken : 0)
  );
}

/** A value that no state of the file would make acceptable: waiting with it would hold up all rows behind it. */
function isRowsOwnFault(error: unknown): boolean {
  const code = sqliteCode(error);
  return code.startsWith('SQLITE_CONSTRAINT') || code === 'SQLITE_MISMATCH' || !code.startsWith('SQLITE_');
}
