/** So many calls at once may go out when an upstream is back, or this share of those before, if that is more. */
const LEAST = 4;
const SHARE = 0.1;

/**
 * How many calls at once an upstream gets after an outage: few at first, and one more for each answer that begins, which
 * doubles them in the time of one answer. It ends once there are as many as before the outage, or at `endsAtMs`.
 */
export class Recovery {
  #room: number | null = null;
  #before = 0;
  #endsAtMs = 0;

  /** `before`: calls in flight when the outage began. `endsAtMs`: clock ms. */
  begin(before: number, endsAtMs: number): void {
    this.#before = before;
    this.#endsAtMs = endsAtMs;
    this.#room = Math.max(LEAST, Math.floor(SHARE * before));
    this.#end();
  }

  isOver(nowMs: number): boolean {
    return this.#room === null || nowMs >= this.#endsAtMs;
  }

  /** Whether another call may go out while `inFlight` are under way. `now` is asked only if it matters. */
  hasRoom(inFlight: number, now: () => number): boolean {
    return this.#room === null || inFlight < this.#room || now() >= this.#endsAtMs;
  }

  /** An answer has begun. */
  answered(): void {
    if (this.#room === null) return;
    this.#room++;
    this.#end();
  }

  #end(): void {
    if (this.#room !== null && this.#room >= this.#before) this.#room = null;
  }
}
