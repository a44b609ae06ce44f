/** While everything is refused, one call at a time asks: the first after one second, later ones every five seconds. */
const ASK_FIRST_MS = 1_000;
const ASK_MOST_MS = 5_000;
/** So many asking calls in a row that were not refused in time show that calls are taken: a refusal may come late. */
const SHOWN = 2;

/** A call that was sent. */
export interface Outgoing {
  readonly sequence: number;
  readonly atMs: number;
}

/** A time in which an upstream refuses everything, and single calls ask whether it takes calls again. Clock ms. */
export class Block {
  readonly sinceMs: number;
  #nextAtMs: number;
  #pauseMs = ASK_FIRST_MS;
  #asking: Outgoing | null = null;
  /** Asking calls in a row that were not refused in time. */
  #passed = 0;

  /** `askedMs`: the wait that the upstream asked for, null if none. */
  constructor(nowMs: number, askedMs: number | null) {
    this.sinceMs = nowMs;
    this.#nextAtMs = nowMs + (askedMs ?? ASK_FIRST_MS);
  }

  /** When the next call may ask. `takenAfterMs`: a call that asks counts as taken after this. */
  nextAt(takenAfterMs: number): number {
    return this.#asking === null ? this.#nextAtMs : this.#asking.atMs + takenAfterMs;
  }

  ask(call: Outgoing): void {
    if (this.#asking !== null) this.#passed++;
    this.#asking = call;
  }

  isAsking(call: Outgoing): boolean {
    return this.#asking?.sequence === call.sequence;
  }

  /** Whether calls have been asking for so long that they count as taken. */
  isTaken(nowMs: number, takenAfterMs: number): boolean {
    return this.#passed >= SHOWN - 1 && this.#asking !== null && nowMs - this.#asking.atMs >= takenAfterMs;
  }

  /** A call was refused. */
  refused(call: Outgoing, nowMs: number, askedMs: number | null): void {
    this.#passed = 0;
    if (this.isAsking(call)) {
      this.#asking = null;
      this.#pauseMs = Math.min(ASK_MOST_MS, 2 * this.#pauseMs);
      this.#nextAtMs = nowMs + this.#pauseMs;
    }
    if (askedMs !== null) this.#nextAtMs = Math.max(this.#nextAtMs, nowMs + askedMs);
  }

  /** A call was neither taken nor refused. */
  cancelled(call: Outgoing): void {
    if (this.isAsking(call)) this.#asking = null;
  }
}
