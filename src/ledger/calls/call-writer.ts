import { OUTCOMES } from '../../core/outcome.ts';
import type { AttemptRecord, Call, Shadow } from '../../core/call.ts';
import { encodeAgreement } from '../../core/form/agreement.ts';
import { encodeForm } from '../../core/form/form.ts';
import type { Outcome } from '../../core/outcome.ts';
import { INELIGIBLE_REASONS } from '../../core/eligibility.ts';
import type { IneligibleReason } from '../../core/eligibility.ts';
import { sqliteCode } from '../database.ts';
import type { LedgerDb } from '../database.ts';
import { flagsOf } from './flags.ts';
import { LateCalls } from './late.ts';
import { Names } from './names.ts';

/** A call on its way to the file. */
export interface CallRow {
  /**
   * When the call ended, epoch µs, unique for its gateway in this process: with the gateway the key of its row, unless the
   * file already has another call there.
   */
  readonly endedAtUs: number;
  readonly call: Call;
}

const OUTCOME_IDS: ReadonlyMap<Outcome, number> = new Map(OUTCOMES.map((outcome, id) => [outcome, id]));
const REASON_IDS: ReadonlyMap<IneligibleReason, number> = new Map(INELIGIBLE_REASONS.map((reason, id) => [reason, id]));
const MOST_ATTEMPTS = 4;

/** Rows in one statement: so many together cost a third less than one by one. */
const BLOCK = 16;
const INSERT_CALL = `INSERT INTO calls (ended_at_us, gateway_id, duration_us, route_id, agent_id, shape_id, rollout_name_id,
  step, weight_per_10000, flags, status, outcome_id, final_outcome_id, first_byte_us, first_token_us, prompt_tokens,
  output_tokens, request_bytes, response_bytes, repeat_gap_us, waited_us, attempt_count, provider_id, ineligible_reason_id, unit_id,
  form, agreement) VALUES`;
const INSERT_ATTEMPT = `INSERT INTO attempts (call_ended_at_us, gateway_id, position, upstream, started_after_us, status,
  outcome_id, first_byte_us, duration_us) VALUES`;
const INSERT_SHADOW = `INSERT INTO shadows (arrived_at_us, gateway_id, rollout_name_id, outcome_id, status, known_after_us,
  first_byte_us, first_token_us, duration_us, prompt_tokens, output_tokens, is_empty, form, agreement) VALUES`;
const CALL_COLUMNS = 27;
const ATTEMPT_COLUMNS = 9;
const SHADOW_COLUMNS = 14;

/** Writes calls through one connection. A row that is written twice is there once. */
export class CallWriter {
  readonly #names;
  readonly #late;
  readonly #insertCall;
  readonly #insertAttempt;
  readonly #insertShadow;
  readonly #insertCalls;
  readonly #insertAttempts;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #at;

  constructor(db: LedgerDb) {
    this.#names = {
      routes: new Names(db, 'routes'),
      shapes: new Names(db, 'shapes'),
      rollouts: new Names(db, 'rollout_names'),
      providers: new Names(db, 'providers'),
      sent: new Names(db, 'agents', false),
      derived: new Names(db, 'agents', true),
    };
    this.#late = new LateCalls(db);
    this.#insertCall = db.prepare(
      `${INSERT_CALL} ${marks(CALL_COLUMNS)} ON CONFLICT (ended_at_us, gateway_id) DO NOTHING`,
    );
    this.#insertAttempt = db.prepare(
      `${INSERT_ATTEMPT} ${marks(ATTEMPT_COLUMNS)} ON CONFLICT (call_ended_at_us, gateway_id, position) DO NOTHING`,
    );
    this.#insertShadow = db.prepare(
      `${INSERT_SHADOW} ${marks(SHADOW_COLUMNS)} ON CONFLICT (arrived_at_us, gateway_id) DO NOTHING`,
    );
    this.#insertCalls = db.prepare(`${INSERT_CALL} ${Array.from({ length: BLOCK }, () => marks(CALL_COLUMNS)).join()}`);
    this.#insertAttempts = db.prepare(
      `${INSERT_ATTEMPT} ${Array.from({ length: BLOCK }, () => marks(ATTEMPT_COLUMNS)).join()}`,
    );
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = () => {
      if (db.inTransaction) db.exec('ROLLBACK');
    };
    this.#at = db.prepare<[number, number], { durationUs: number; agent: string | null }>(
      `SELECT c.duration_us AS durationUs, a.name AS agent FROM calls c LEFT JOIN agents a ON a.id = c.agent_id
       WHERE c.ended_at_us = ? AND c.gateway_id = ?`,
    );
  }

  /**
   * Writes calls and copies in one transaction. Throws SQLite's error if it writes none. Returns how many of them SQLite
   * refuses for good, whatever the state of the file.
   */
  write(rows: readonly CallRow[], shadows: readonly Shadow[] = []): number {
    let refused = 0;
    try {
      this.#begin.run();
      this.#late.begin();
      for (let i = 0; i < rows.length; i += BLOCK) {
        const block = rows.slice(i, i + BLOCK);
        refused += this.#writeBlock(block) ?? countRefused(block, (row) => this.#writeRow(row));
      }
      refused += countRefused(shadows, (shadow) => this.#writeShadow(shadow));
      this.#commit.run();
    } catch (error) {
      for (const names of Object.values(this.#names)) names.forget();
      this.#rollback();
      throw error;
    }
    for (const names of Object.values(this.#names)) names.keep();
    return refused;
  }

  /**
   * Writes a whole block of calls that had one attempt each, and returns how many were refused for good. Null if it wrote
   * none, because they are fewer or had more attempts, a key is taken, or a value is refused.
   */
  #writeBlock(block: readonly CallRow[]): number | null {
    if (block.length < BLOCK || block.some(({ call }) => call.attempts.length !== 1)) return null;
    const calls: Bound[] = [];
    const attempts: Bound[] = [];
    for (const { endedAtUs, call } of block) {
      this.#bindCall(calls, endedAtUs, call);
      bindAttempt(attempts, { endedAtUs, gatewayId: call.gatewayId, position: 0 }, call.attempts[0] as AttemptRecord);
    }
    // If SQLite refuses one row of a statement, it refuses them all.
    if (!isTaken(() => this.#insertCalls.run(...calls))) return null;
    for (const { endedAtUs, call } of block) this.#late.note(endedAtUs, call.gatewayId, false);
    if (isTaken(() => this.#insertAttempts.run(...attempts))) return 0;
    return countRefused(block, ({ endedAtUs, call }) => this.#writeAttempts(endedAtUs, call));
  }

  #writeRow({ endedAtUs: firstUs, call }: CallRow): void {
    for (let endedAtUs = firstUs; ; endedAtUs++) {
      const values: Bound[] = [];
      this.#bindCall(values, endedAtUs, call);
      const { changes } = this.#insertCall.run(...values);
      if (changes === 1) {
        this.#late.note(endedAtUs, call.gatewayId, false);
        return this.#writeAttempts(endedAtUs, call);
      }
      // Either this very call is in the file already, or the clock of a former process was ahead and its call is there.
      if (this.#isAt(endedAtUs, call) === true) return;
    }
  }

  /** Whether a call is in the file: one that ended when it did, arrived when it did and is of the same agent. */
  has({ endedAtUs: firstUs, call }: CallRow): boolean {
    for (let endedAtUs = firstUs; ; endedAtUs++) {
      const isThis = this.#isAt(endedAtUs, call);
      if (isThis !== false) return isThis ?? false;
    }
  }

  /**
   * Whether the row with this key is this call; null if there is no such row. The agent is compared too for calls past the
   * gateway, because their arrivals come from the clocks of their callers and are unique only for each agent.
   */
  #isAt(endedAtUs: number, call: Call): boolean | null {
    const found = this.#at.get(endedAtUs, call.gatewayId);
    if (found === undefined) return null;
    return endedAtUs - found.durationUs === call.arrivedAtUs && (call.isBypass !== true || found.agent === call.agent);
  }

  #writeShadow(shadow: Shadow): void {
    const values: Bound[] = [
      shadow.arrivedAtUs,
      shadow.gatewayId,
      this.#names.rollouts.id(shadow.rolloutId),
      OUTCOME_IDS.get(shadow.outcome) as number,
      shadow.status,
      shadow.knownAfterUs,
      shadow.firstByteUs,
      shadow.firstTokenUs,
      shadow.durationUs,
      shadow.promptTokens,
      shadow.outputTokens,
      shadow.isEmpty === null ? null : Number(shadow.isEmpty),
      shadow.form === null ? null : encodeForm(shadow.form),
      shadow.agreement === null ? null : encodeAgreement(shadow.agreement),
    ];
    const { changes } = this.#insertShadow.run(...values);
    if (changes === 1) this.#late.note(shadow.arrivedAtUs, shadow.gatewayId, true);
  }

  #writeAttempts(endedAtUs: number, { gatewayId, attempts }: Call): void {
    const kept =
      attempts.length <= MOST_ATTEMPTS
        ? attempts
        : [...attempts.slice(0, MOST_ATTEMPTS - 1), attempts.at(-1) as AttemptRecord];
    kept.forEach((attempt, position) => {
      const values: Bound[] = [];
      bindAttempt(values, { endedAtUs, gatewayId, position }, attempt);
      this.#insertAttempt.run(...values);
    });
  }

  #bindCall(values: Bound[], endedAtUs: number, call: Call): void {
    const { routes, shapes, rollouts, providers, sent, derived } = this.#names;
    values.push(
      endedAtUs,
      call.gatewayId,
      endedAtUs - call.arrivedAtUs,
      call.model === null ? null : routes.id(call.model),
      (call.isAgentDerived ? derived : sent).id(call.agent),
      shapes.id(call.shape),
      call.rolloutId === null ? null : rollouts.id(call.rolloutId),
      call.step,
      Math.round(call.weight * 10_000),
      flagsOf(call),
      call.status,
      OUTCOME_IDS.get(call.outcome) as number,
      OUTCOME_IDS.get(call.finalOutcome) as number,
      call.firstByteUs === null ? null : Math.round(call.firstByteUs),
      call.firstTokenUs === null ? null : Math.round(call.firstTokenUs),
      call.promptTokens,
      call.outputTokens,
      call.requestBytes,
      call.responseBytes,
      call.repeatOfUs === null ? null : call.arrivedAtUs - call.repeatOfUs,
      heldUs(endedAtUs, call) || null,
      call.attempts.length > MOST_ATTEMPTS ? call.attempts.length : null,
      call.provider == null ? null : providers.id(call.provider),
      call.ineligibleReason === undefined ? null : (REASON_IDS.get(call.ineligibleReason) as number),
      call.unit ?? null,
      call.form === null ? null : encodeForm(call.form),
      call.agreement == null ? null : encodeAgreement(call.agreement),
    );
  }
}

/**
 * How long a call was held. One that was never sent was held until it ended. If its row has a later time than its end, it
 * counts as held until then, so that the time of its assignment stays what it was.
 */
function heldUs(endedAtUs: number, { role, attempts, waitedUs, arrivedAtUs, durationUs }: Call): number {
  return role !== null && attempts.length === 0
    ? waitedUs + endedAtUs - Math.round(arrivedAtUs + durationUs)
    : waitedUs;
}

type Bound = number | null;

/** Runs a write; false if SQLite refuses it for good. */
function isTaken(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (!isRowsOwnFault(error)) throw error;
    return false;
  }
}

function countRefused<Row>(rows: readonly Row[], write: (row: Row) => void): number {
  let refused = 0;
  for (const row of rows) if (!isTaken(() => write(row))) refused++;
  return refused;
}

function marks(columns: number): string {
  return `(${Array.from({ length: columns }, () => '?').join()})`;
}

interface AttemptKey {
  readonly endedAtUs: number;
  readonly gatewayId: number;
  readonly position: number;
}

function bindAttempt(values: Bound[], { endedAtUs, gatewayId, position }: AttemptKey, attempt: AttemptRecord): void {
  values.push(
    endedAtUs,
    gatewayId,
    position,
    attempt.upstream === 'dedicated' ? 1 : 0,
    Math.round(attempt.startedAfterUs),
    attempt.status,
    OUTCOME_IDS.get(attempt.outcome) as number,
    attempt.firstByteUs === null ? null : Math.round(attempt.firstByteUs),
    Math.round(attempt.durationUs),
  );
}

/** Whether the row itself is at fault. Such a row is given up, because it would hold up all rows behind it for ever. */
function isRowsOwnFault(error: unknown): boolean {
  const code = sqliteCode(error);
  return code.startsWith('SQLITE_CONSTRAINT') || code === 'SQLITE_MISMATCH' || !code.startsWith('SQLITE_');
}
