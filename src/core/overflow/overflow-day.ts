import type { Call } from '../call.ts';
import type { OverflowPolicy } from '../policy/overflow.ts';
import { DAY_MS } from '../time.ts';

/** Whether a call went to serverless because the endpoint that it was drawn for had no room. */
export function hasOverflowed({
  isOverflow,
  outcome,
  servedBy,
}: Pick<Call, 'isOverflow' | 'outcome' | 'servedBy'>): boolean {
  return servedBy === 'serverless' && (isOverflow === true || outcome === 'saturated');
}

/** The calls of a day in UTC that went to serverless because an endpoint had no room, and whether more may go. */
export class OverflowDay {
  #day = 0;
  #calls = 0;

  /** Adds calls that ended at a time, clock ms. Those of an earlier day are left out. */
  count(atMs: number, calls = 1): void {
    const day = Math.floor(atMs / DAY_MS);
    if (day > this.#day) [this.#day, this.#calls] = [day, 0];
    if (day === this.#day) this.#calls += calls;
  }

  /** Calls of the day of a time. */
  callsAt(nowMs: number): number {
    return Math.floor(nowMs / DAY_MS) === this.#day ? this.#calls : 0;
  }

  /** Whether another call may go. `perCallMicros`: the mean cost of a call on serverless; null: not known, no limit. */
  mayGoOn({ enabled, maxPerDay }: OverflowPolicy, perCallMicros: number | null, nowMs: number): boolean {
    if (!enabled) return false;
    if (maxPerDay === null || perCallMicros === null) return true;
    return this.callsAt(nowMs) * perCallMicros < maxPerDay * 1e6;
  }
}
