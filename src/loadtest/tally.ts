import type { Ended } from './call.ts';
import { Figures, Series } from './figures.ts';
import type { SpanReport } from './figures.ts';

/** The most windows for which figures are kept. */
export const MOST_WINDOWS = 300;

/** The number of points in a chart. */
const POINTS = 200;
const LEAST_POINT_MS = 1_000;
/** Extra points. Calls that end after the sending has stopped may need them. */
const SPARE = 2;

const MOST_REASONS = 5;

/** The first text of a failure reason, and the number of failures with the same text (numbers ignored). */
export interface Reason {
  readonly reason: string;
  count: number;
}

/** The figures of all calls of a load test. */
export interface TallyReport {
  readonly total: SpanReport;
  readonly windows: readonly SpanReport[];
  readonly points: readonly SpanReport[];
  readonly pointMs: number;
  /** Ended requests by status; 0 if there was no status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** The gateway's upstream attempts beyond the first of each request. */
  readonly furtherAttempts: number;
  readonly inFlight: number;
  readonly reasons: readonly Reason[];
}

/** The counts of a load test, in a bounded amount of memory for any duration; times count from its beginning. */
export class Tally {
  readonly #total = new Figures();
  readonly #windows: Series;
  readonly #points: Series;
  readonly #byStatus = new Map<number, number>();
  readonly #reasons = new Map<string, Reason>();
  #furtherAttempts = 0;
  #inFlight = 0;

  /** `lengthMs`: the planned duration of the load test. */
  constructor(lengthMs: number, windowMs: number) {
    this.#windows = new Series(windowMs, Math.min(MOST_WINDOWS, Math.ceil(lengthMs / windowMs)));
    this.#points = new Series(Math.max(LEAST_POINT_MS, lengthMs / POINTS), POINTS + SPARE);
  }

  /** Records a call that is due at this time. */
  begin(dueMs: number): void {
    for (const figures of this.#around(dueMs)) figures.begin();
  }

  send(atMs: number, isRetry: boolean): void {
    const spans = this.#around(atMs);
    this.#inFlight++;
    for (const figures of spans) figures.send(isRetry, this.#inFlight);
  }

  /** Records that a request ended at this time. */
  endRequest({ status, attempts, failure }: Ended, atMs: number): void {
    this.#points.at(atMs, this.#inFlight);
    this.#inFlight--;
    this.#furtherAttempts += attempts - 1;
    this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + 1);
    if (failure === undefined) return;
    const key = failure.replaceAll(/\d+/g, '#');
    const known = this.#reasons.get(key);
    if (known !== undefined) known.count++;
    else if (this.#reasons.size < MOST_REASONS) this.#reasons.set(key, { reason: failure, count: 1 });
  }

  /** Records the end of a call with its last request, which was sent at `sentMs`. */
  endCall({ kind, durationMs, firstTokenMs }: Ended, { dueMs, sentMs }: { dueMs: number; sentMs: number }): void {
    const lateMs = sentMs - dueMs;
    const tokenMs = firstTokenMs === null ? null : lateMs + firstTokenMs;
    for (const figures of this.#around(dueMs)) figures.end(kind, lateMs + durationMs, tokenMs);
  }

  /** The figures of all calls so far. */
  total(): SpanReport {
    return this.#total.report();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  report(): TallyReport {
    return {
      total: this.total(),
      windows: this.#windows.report(),
      points: this.#points.report(),
      pointMs: this.#points.widthMs,
      byStatus: Object.fromEntries(this.#byStatus),
      furtherAttempts: this.#furtherAttempts,
      inFlight: this.#inFlight,
      reasons: [...this.#reasons.values()],
    };
  }

  #around(ms: number): readonly Figures[] {
    return [this.#total, this.#windows.at(ms, this.#inFlight), this.#points.at(ms, this.#inFlight)];
  }
}
