import { HOUR_MS } from '../time.ts';

/** The demand in one hour of the day. `mean`, `p95` and `peak` are of calls at once, each a mean over ten seconds. */
export interface HourConcurrency {
  /** 0..23, UTC. */
  readonly hour: number;
  readonly mean: number;
  readonly p95: number;
  readonly peak: number;
  readonly tokensPerSecond: number;
}

/** Cells of ten seconds. An hour with fewer measured cells is not counted. */
const LEAST_CELLS = 60;
const MOST_CELLS = 360;

export type LearnedDay = readonly HourConcurrency[];

/** The demand of each hour of the day. Each day counts half as much as the day after it. */
export class DayShape {
  readonly #hours = new Map<number, HourConcurrency>();
  #startMs = Number.NaN;
  #values: number[] = [];
  #tokens = 0;

  constructor(learned: LearnedDay = []) {
    for (const hour of learned) this.#hours.set(hour.hour, hour);
  }

  get learned(): LearnedDay {
    return this.hours;
  }

  /** The hours that were measured, from midnight UTC on. */
  get hours(): readonly HourConcurrency[] {
    return [...this.#hours.values()].sort((a, b) => a.hour - b.hour);
  }

  /** Adds ten seconds: their calls at once and their output tokens. */
  add(atMs: number, atOnce: number, tokens: number): void {
    const startMs = Math.floor(atMs / HOUR_MS) * HOUR_MS;
    if (startMs !== this.#startMs) {
      this.#finish();
      this.#startMs = startMs;
    }
    if (this.#values.length < MOST_CELLS) this.#values.push(atOnce);
    this.#tokens += tokens;
  }

  #finish(): void {
    const values = this.#values.sort((a, b) => a - b);
    const tokens = this.#tokens;
    this.#values = [];
    this.#tokens = 0;
    if (values.length < LEAST_CELLS) return;
    const hour = (this.#startMs / HOUR_MS) % 24;
    const before = this.#hours.get(hour);
    const blend = (now: number, then: number | undefined) =>
      Math.round((then === undefined ? now : (now + then) / 2) * 1_000) / 1_000;
    const peak = values.at(-1) as number;
    this.#hours.set(hour, {
      hour,
      mean: blend(values.reduce((sum, value) => sum + value, 0) / values.length, before?.mean),
      p95: blend(values[Math.ceil(values.length * 0.95) - 1] as number, before?.p95),
      // An earlier, higher peak still counts: each day, half of the difference to it is forgotten.
      peak: Math.max(blend(peak, before?.peak), Math.round(peak * 1_000) / 1_000),
      tokensPerSecond: blend(tokens / (values.length * 10), before?.tokensPerSecond),
    });
  }
}
