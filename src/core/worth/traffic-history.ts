import { LONGEST_SUSTAIN_MS } from '../policy/back.ts';
import type { BackPolicy } from '../policy/back.ts';
import { SlidingCounts } from '../stats/sliding-counts.ts';
import { MINUTE_MS } from '../time.ts';

/** What an hour of a route's calls costs on each kind of upstream, and the traffic at which both cost the same. */
export interface Costs {
  readonly serverlessPerHourMicros: number;
  readonly dedicatedPerHourMicros: number;
  readonly breakEvenCallsPerMinute: number;
}

/** A route's whole traffic, in windows of five whole minutes. */
export interface TrafficFigures {
  /** Calls in the last five whole minutes. */
  readonly calls: number;
  /** The 95th percentile of the calls in the windows of the last day, or of the part of it that is known. */
  readonly p95: number;
  /** Since when every window has been below the given limit, epoch ms; null if the last window is not. */
  readonly belowSince: number | null;
  /** Since when every call is known, epoch ms. */
  readonly knownSince: number;
}

/** The span that Hugging Face's limits count over, minutes. */
const WINDOW = 5;
const MINUTES = LONGEST_SUSTAIN_MS / MINUTE_MS + WINDOW + 5;

/**
 * The calls of one route by minute, for a day, in fixed memory. Only minutes that have ended count, and only minutes in
 * which every call is known, because a minute that was not observed is not one of low traffic.
 */
export class TrafficHistory {
  readonly #calls = new SlidingCounts(1, MINUTES);
  #knownSince: number;

  /** `knownSinceMs`: from then on every call is reported. */
  constructor(knownSinceMs: number) {
    this.#knownSince = Math.ceil(knownSinceMs / MINUTE_MS);
    this.#calls.advance(Math.floor(knownSinceMs / MINUTE_MS));
  }

  /** Counts `calls` that arrived in the minute of `atMs`. Calls older than a day are not kept. */
  arrived(atMs: number, calls = 1): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    this.#calls.advance(minute);
    this.#calls.add(0, minute, calls);
  }

  /** Since when every call is known, epoch ms. */
  get knownSince(): number {
    return this.#knownSince * MINUTE_MS;
  }

  /** Calls before `nowMs` were missed. */
  interrupt(nowMs: number): void {
    this.#knownSince = Math.ceil(nowMs / MINUTE_MS);
  }

  /** `limit`: calls in five minutes; null if there is no limit. Returns null before the first whole window. */
  figures(nowMs: number, limit: number | null): TrafficFigures | null {
    const now = Math.floor(nowMs / MINUTE_MS);
    this.#calls.advance(now);
    const first = Math.max(this.#knownSince, now - MINUTES + 1);
    const windows: number[] = [];
    let below = now;
    let [sum, isBelow] = [0, limit !== null];
    for (let minute = now - 1; minute >= first; minute--) {
      sum += this.#calls.at(0, minute);
      if (now - minute < WINDOW) continue;
      if (now - minute > WINDOW) sum -= this.#calls.at(0, minute + WINDOW);
      windows.push(sum);
      isBelow &&= limit !== null && sum < limit;
      if (isBelow) below = minute + WINDOW;
    }
    const [calls] = windows;
    if (calls === undefined) return null;
    const isBelowNow = limit !== null && calls < limit;
    windows.sort((a, b) => a - b);
    return {
      calls,
      p95: windows[Math.ceil(windows.length * 0.95) - 1] as number,
      belowSince: isBelowNow ? below * MINUTE_MS : null,
      knownSince: this.knownSince,
    };
  }
}

/**
 * Calls in five minutes below which an endpoint is not worth its price; null if not known, or if the policy does not
 * ask.
 */
export function payingTraffic(
  { below, calls }: Pick<BackPolicy, 'below' | 'calls'>,
  costs: Costs | null,
): number | null {
  return costs !== null && below !== null ? below * costs.breakEvenCallsPerMinute * WINDOW : calls;
}

/**
 * The share of calls that serverless is expected to refuse: the part of the traffic that is beyond its limit. Both are
 * in calls per five minutes. Null if the limit is not known.
 */
export function expectedRefused(traffic: number, limit: number | null): number | null {
  if (limit === null) return null;
  return traffic <= limit ? 0 : 1 - limit / traffic;
}
