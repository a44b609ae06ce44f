const STEPS = 10;

/** A rise from a tenth to all in ten steps. Times are clock ms. */
export class Ramp {
  #fromMs = 0;
  /** 0: there is no rise, or it takes no time. */
  #spanMs = 0;

  begin(nowMs: number, spanMs: number): void {
    this.#fromMs = nowMs;
    this.#spanMs = spanMs;
  }

  /** The part that is reached, 0.1..1. */
  shareAt(nowMs: number): number {
    if (this.#spanMs <= 0) return 1;
    const step = 1 + Math.floor((STEPS * (nowMs - this.#fromMs)) / this.#spanMs);
    return Math.min(STEPS, Math.max(1, step)) / STEPS;
  }
}
