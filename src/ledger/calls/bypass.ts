import type { Call } from '../../core/call.ts';
import { AppError } from '../../core/errors.ts';
import type { CallLog } from './call-log.ts';
import type { CallRow } from './call-writer.ts';

/** Records calls that went past the gateway and are reported later. A call that is reported again is not recorded again. */
export class BypassLog {
  readonly #calls: CallLog;
  /** Calls that are being written. */
  readonly #awaited = new Set<string>();

  constructor(calls: CallLog) {
    this.#calls = calls;
  }

  /**
   * Resolves when the calls are durable, with those that were new. Rejects with `unavailable` if the file takes no rows
   * just now; then they must be reported again.
   */
  async record(calls: readonly Call[]): Promise<readonly Call[]> {
    if (this.#calls.isClosed || this.#calls.isDegraded) {
      throw new AppError('unavailable', 'the ledger takes no rows just now');
    }
    const unknown = calls.filter((call) => !this.#calls.has(rowOf(call)));
    const fresh = unknown.filter((call) => {
      if (this.#awaited.has(keyOf(call))) return false;
      this.#awaited.add(keyOf(call));
      return true;
    });
    if (fresh.length === 0) return fresh;
    await new Promise<void>((resolve) => this.#calls.recordRows(fresh.map(rowOf), resolve));
    for (const call of fresh) this.#awaited.delete(keyOf(call));
    return fresh;
  }
}

/** The key of its row is when it ended, as its caller says, so that it is found when it is reported again. */
function rowOf(call: Call): CallRow {
  return { endedAtUs: Math.round(call.arrivedAtUs + call.durationUs), call };
}

function keyOf({ arrivedAtUs, durationUs, agent }: Call): string {
  return `${arrivedAtUs} ${durationUs} ${agent}`;
}
