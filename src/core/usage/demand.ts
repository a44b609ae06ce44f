import { SECOND_MS } from '../time.ts';
import type { UsageLog } from './log.ts';

/** A span of time, epoch ms, and the length of the sliding windows in it, ms. */
export interface UsageSpan {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly windowMs: number;
}

/** Demand by second. `held`: the calls of the window that ends with each second. */
export interface SecondsOfDemand {
  /** The beginning of the first second, epoch ms. */
  readonly startMs: number;
  readonly windowSeconds: number;
  readonly calls: Uint32Array;
  readonly refused: Uint32Array;
  readonly held: Uint32Array;
}

/** Counts the calls that arrived in a span; repeats count once. */
export function secondsOf(log: UsageLog, { fromMs, untilMs, windowMs }: UsageSpan): SecondsOfDemand {
  const first = Math.floor(fromMs / SECOND_MS);
  const seconds = Math.max(1, Math.ceil(untilMs / SECOND_MS) - first);
  const windowSeconds = Math.max(1, Math.ceil(windowMs / SECOND_MS));
  const [calls, refused, held] = [new Uint32Array(seconds), new Uint32Array(seconds), new Uint32Array(seconds)];
  for (let at = 0; at < log.length; at++) {
    const arrived = log.arrivedAtMs(at);
    if (arrived < fromMs || arrived >= untilMs || log.isRepeat(at)) continue;
    const second = Math.floor(arrived / SECOND_MS) - first;
    calls[second] = (calls[second] as number) + 1;
    if (log.isRefused(at)) refused[second] = (refused[second] as number) + 1;
  }
  let sum = 0;
  for (let second = 0; second < seconds; second++) {
    sum += (calls[second] as number) - (second >= windowSeconds ? (calls[second - windowSeconds] as number) : 0);
    held[second] = sum;
  }
  return { startMs: first * SECOND_MS, windowSeconds, calls, refused, held };
}

/** The last seconds of the fullest windows that do not overlap, the fullest first. Empty windows are left out. */
export function fullest({ held, windowSeconds }: SecondsOfDemand, most: number): number[] {
  const ends: number[] = [];
  while (ends.length < most) {
    let best = -1;
    for (let second = 0; second < held.length; second++) {
      const calls = held[second] as number;
      if (calls === 0 || (best >= 0 && calls <= (held[best] as number))) continue;
      if (ends.every((end) => Math.abs(end - second) >= windowSeconds)) best = second;
    }
    if (best < 0) break;
    ends.push(best);
  }
  return ends;
}

/** Share of the seconds whose window held more than `limit` calls, 0..1. */
export function aboveShare({ held }: SecondsOfDemand, limit: number): number {
  let above = 0;
  for (const calls of held) if (calls > limit) above++;
  return above / held.length;
}

/**
 * Divides the span into equal parts (`parts`, or one for each second if there are fewer): the fullest window of each.
 */
export function timelineOf({ held }: SecondsOfDemand, parts: number): number[] {
  const count = Math.min(parts, held.length);
  const timeline = Array.from({ length: count }, () => 0);
  for (const [second, calls] of held.entries()) {
    const part = Math.floor((second * count) / held.length);
    timeline[part] = Math.max(timeline[part] as number, calls);
  }
  return timeline;
}

/** A moment's place in the calendar. Monday is 0. */
export interface Moment {
  /** `2026-11-24` */
  readonly date: string;
  readonly weekday: number;
  readonly hour: number;
}

/** The calls of a part of the calendar. */
interface Part {
  readonly calls: number;
  readonly refused: number;
  /** Calls in the fullest window that ends in it. */
  readonly fullest: number;
}

/** A day, with the fullest window of each hour; null for hours outside the span. */
export interface DayOfUsage extends Part {
  readonly date: string;
  readonly weekday: number;
  readonly hours: readonly (number | null)[];
}

/** Offsets of time zones are multiples of a quarter of an hour, and change only at one. */
const QUARTER_SECONDS = 900;

/** Divides a span into days and hours of a calendar. */
export function daysOf(demand: SecondsOfDemand, momentOf: (atMs: number) => Moment): DayOfUsage[] {
  const { startMs, calls, refused, held } = demand;
  const days = new Map<
    string,
    { -readonly [Key in keyof DayOfUsage]: DayOfUsage[Key] } & { hours: (number | null)[] }
  >();
  let second = 0;
  while (second < calls.length) {
    const atMs = startMs + second * SECOND_MS;
    const { date, weekday, hour } = momentOf(atMs);
    let day = days.get(date);
    if (day === undefined) {
      day = { date, weekday, calls: 0, refused: 0, fullest: 0, hours: Array.from({ length: 24 }, () => null) };
      days.set(date, day);
    }
    const until = Math.min(calls.length, second + QUARTER_SECONDS - ((atMs / SECOND_MS) % QUARTER_SECONDS));
    let most = day.hours[hour] ?? 0;
    for (; second < until; second++) {
      day.calls += calls[second] as number;
      day.refused += refused[second] as number;
      most = Math.max(most, held[second] as number);
    }
    day.hours[hour] = most;
    day.fullest = Math.max(day.fullest, most);
  }
  return [...days.values()];
}
