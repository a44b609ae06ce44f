import { FINE, Histogram } from '../core/stats/histogram.ts';
import type { EndKind } from './call.ts';

/** The kinds of failure. */
export const FAILURES = ['refused', 'server', 'connection', 'timeout', 'other'] as const;
export type Failure = (typeof FAILURES)[number];

/** Calls by how they ended; `cut` counts neither as success nor as failure. */
export type Ends = Readonly<Record<EndKind, number>>;

export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The figures of the calls that were due in a span of time. */
export interface SpanReport {
  readonly calls: number;
  /** Requests that were sent in the span, retries included. */
  readonly requests: number;
  readonly retries: number;
  readonly ends: Ends;
  /** Share of failed calls among those that ended; 0 if none ended. */
  readonly errorShare: number;
  /** Of successful calls, from the time they were due to their end; null if there are none. */
  readonly latencyMs: Quantiles | null;
  /** Of successful streams. */
  readonly firstTokenMs: Quantiles | null;
  readonly peakInFlight: number;
}

/** Counts calls and their times in a fixed amount of memory, about 20 KB; quantiles come from 1 % histograms. */
export class Figures {
  readonly #ends: Record<EndKind, number> = {
    ok: 0,
    refused: 0,
    server: 0,
    connection: 0,
    timeout: 0,
    other: 0,
    cut: 0,
  };
  readonly #latency = new Histogram(FINE);
  readonly #firstToken = new Histogram(FINE);
  #calls = 0;
  #requests = 0;
  #retries = 0;
  #peakInFlight: number;

  /** `inFlight`: the number of requests in flight at its beginning. */
  constructor(inFlight = 0) {
    this.#peakInFlight = inFlight;
  }

  begin(): void {
    this.#calls++;
  }

  send(isRetry: boolean, inFlight: number): void {
    this.#requests++;
    if (isRetry) this.#retries++;
    this.#peakInFlight = Math.max(this.#peakInFlight, inFlight);
  }

  end(kind: EndKind, latencyMs: number, firstTokenMs: number | null): void {
    this.#ends[kind]++;
    if (kind !== 'ok') return;
    this.#latency.add(latencyMs);
    if (firstTokenMs !== null) this.#firstToken.add(firstTokenMs);
  }

  report(): SpanReport {
    return {
      calls: this.#calls,
      requests: this.#requests,
      retries: this.#retries,
      ends: { ...this.#ends },
      errorShare: errorShare(this.#ends),
      latencyMs: quantiles(this.#latency),
      firstTokenMs: quantiles(this.#firstToken),
      peakInFlight: this.#peakInFlight,
    };
  }
}

/** How many calls failed. */
export function failedOf(ends: Ends): number {
  return FAILURES.reduce((sum, kind) => sum + ends[kind], 0);
}

function errorShare(ends: Ends): number {
  const failed = failedOf(ends);
  return failed === 0 ? 0 : failed / (failed + ends.ok);
}

function quantiles(histogram: Histogram): Quantiles | null {
  const at = (q: number) => Math.round(histogram.quantile(q) ?? 0);
  return histogram.total === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Figures for consecutive spans of time, all of the same width. */
export class Series {
  readonly #spans: Figures[] = [];
  readonly #most: number;
  readonly widthMs: number;

  /** At most `most` spans; later events count in the last one. */
  constructor(widthMs: number, most: number) {
    this.widthMs = widthMs;
    this.#most = most;
  }

  /** The span that contains this time, counted from the beginning; `inFlight`: the number of requests in flight. */
  at(ms: number, inFlight: number): Figures {
    const index = Math.max(0, Math.min(this.#most - 1, Math.floor(ms / this.widthMs)));
    for (let next = this.#spans.length; next <= index; next++) this.#spans.push(new Figures(inFlight));
    return this.#spans[index] as Figures;
  }

  report(): SpanReport[] {
    return this.#spans.map((span) => span.report());
  }
}
