import type { LedgerDb } from '../database.ts';

/** Notes the calls and copies that come after the closing that would have covered them had begun. */
export class LateCalls {
  readonly #newest;
  readonly #insert;
  #closing = { id: 0, untilUs: 0 };

  constructor(db: LedgerDb) {
    this.#newest = db.prepare<[], { id: number; untilUs: number }>(
      'SELECT id, until_us AS untilUs FROM call_closings ORDER BY id DESC LIMIT 1',
    );
    this.#insert = db.prepare(
      'INSERT INTO late_calls (key_at_us, gateway_id, is_copy, closing_id) VALUES (?, ?, ?, ?)',
    );
  }

  /** Looks which closing is the newest. Call it within each transaction that writes calls, before the first of them. */
  begin(): void {
    this.#closing = this.#newest.get() ?? this.#closing;
  }

  /** Notes a row that was just written if it is late. `atUs`: the time in its key. */
  note(atUs: number, gatewayId: number, isCopy: boolean): void {
    if (atUs < this.#closing.untilUs) this.#insert.run(atUs, gatewayId, Number(isCopy), this.#closing.id + 1);
  }
}
