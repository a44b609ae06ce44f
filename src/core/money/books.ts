import { MINUTE_MS } from '../time.ts';

/** The cost records of endpoints: what readings and the API's graphs say of one, minute by minute. */

/** Where a minute's figures are from: a reading, the API's graphs, or an estimate. */
export type BookSource = 'reading' | 'metrics' | 'estimate';

/** One reading of an endpoint's state. Times in epoch ms. */
export interface EndpointReading {
  readonly at: number;
  readonly state: string;
  /** Replicas that are billed in that state, 0 if none is. */
  readonly replicas: number;
  /** Micro-dollars per replica and hour. Null if it is not known. */
  readonly priceMicros: number | null;
  /** When the endpoint last changed, by the API. Null if the API does not say. */
  readonly updatedAt: number | null;
}

/** A reading that is recorded, with the record of the minute in which it was made. */
export interface BookedReading extends EndpointReading {
  readonly minute: Pick<BookSpan, 'replicas' | 'priceMicros' | 'source'>;
}

/** Consecutive minutes in which an endpoint was the same. Minutes are counted from 1970. */
export interface BookSpan {
  readonly fromMinute: number;
  /** The first minute after the span. */
  readonly untilMinute: number;
  /** Null if it is not known. */
  readonly state: string | null;
  /** Replicas billed in each of the minutes: the most at any moment of the minute. */
  readonly replicas: number;
  readonly priceMicros: number | null;
  readonly source: BookSource;
}

/**
 * Billed replicas by the API's graphs. A minute that is missing had none. But minutes before the first one are not known,
 * because graphs do not reach back further.
 */
export interface ReplicaMinutes {
  readonly minutes: ReadonlyMap<number, number>;
  /** Whether the graphs had one point for each minute. */
  readonly isByMinute: boolean;
}

/**
 * Two readings that are further apart have a gap between them, in which there may have been changes that neither shows.
 */
const GAP_MS = 2 * MINUTE_MS;
/** A reading is usually made within this time after the start of its minute. */
const LATE_MS = 10_000;

const BILLED = new Set(['initializing', 'updating', 'running']);

/** Replicas for which an endpoint in a state is billed: those that run or are being started. */
export function billedReplicas(state: string, { ready, target }: { ready: number; target: number }): number {
  if (BILLED.has(state)) return Math.max(1, ready, target);
  // After a failed change, the replicas from before it still run.
  return state === 'updateFailed' ? ready : 0;
}

export function minuteOf(at: number): number {
  return Math.floor(at / MINUTE_MS);
}

/** The first record of an endpoint that is seen for the first time: its creation. */
export function atCreation(createdAt: number, seen: EndpointReading): BookedReading {
  const minute = { replicas: 0, priceMicros: seen.priceMicros, source: 'reading' as const };
  return { at: createdAt, state: 'pending', replicas: 0, priceMicros: seen.priceMicros, updatedAt: createdAt, minute };
}

/** Whether two readings are not enough to know the minutes between them, so that the API's graphs are needed. */
export function isUnsure(before: EndpointReading, after: EndpointReading): boolean {
  return after.at - before.at > GAP_MS || !isSame(before, after);
}

function isSame(before: EndpointReading, after: EndpointReading): boolean {
  return before.state === after.state && before.replicas === after.replicas && before.updatedAt === after.updatedAt;
}

/**
 * The minutes from that of one reading to that of the next, both included. A minute is recorded with the most replicas that
 * were billed at any moment of it. `graphs` is null if the graphs were not asked or have no data. Then the endpoint is
 * assumed to have stayed as before until it last changed, and to be as it is now since then.
 */
export function settle(before: BookedReading, after: EndpointReading, graphs: ReplicaMinutes | null): BookSpan[] {
  const [first, last] = [minuteOf(before.at), minuteOf(after.at)];
  const turnAt = isSame(before, after) ? after.at : turnOf(before, after);
  // An endpoint that runs when it is first seen was started at its creation.
  const wasBilled = before.state === 'pending' && after.state === 'running' && after.at - before.at > GAP_MS;
  const graphsFrom = graphs === null ? Infinity : firstOf(graphs.minutes);
  const spans: BookSpan[] = [];
  for (let minute = first; minute <= last; minute++) {
    const startAt = minute * MINUTE_MS;
    const isBefore = startAt < turnAt;
    const isAfter = startAt + MINUTE_MS > turnAt;
    const { state, priceMicros } = isAfter ? after : before;
    const assumed = Math.max(
      isBefore ? (wasBilled ? after.replicas : before.replicas) : 0,
      isAfter ? after.replicas : 0,
    );
    const seen = Math.max(minute === first ? before.replicas : 0, minute === last ? after.replicas : 0);
    const isInGraphs = graphs !== null && minute >= graphsFrom;
    const replicas = Math.max(isInGraphs ? (graphs.minutes.get(minute) ?? 0) : assumed, seen);
    // There may have been more than one change between two readings that differ.
    const isKnown = isSame(before, after) || (minute === last && minute > first);
    spans.push({
      fromMinute: minute,
      untilMinute: minute + 1,
      state: replicas > 0 === BILLED.has(state) ? state : null,
      replicas,
      priceMicros: priceMicros ?? after.priceMicros,
      source: isInGraphs ? (graphs.isByMinute ? 'metrics' : 'estimate') : isKnown ? 'reading' : 'estimate',
    });
  }
  return joined(withFirst(spans, before.minute));
}

function firstOf(minutes: ReplicaMinutes['minutes']): number {
  let first = Infinity;
  for (const minute of minutes.keys()) first = Math.min(first, minute);
  return first;
}

/** The minutes up to `goneAt`, when a reading no longer found the endpoint. The time of the deletion is not known. */
export function settleGone(before: BookedReading, goneAt: number): BookSpan[] {
  const first = minuteOf(before.at);
  const { state, replicas, priceMicros } = before;
  const span = { state, replicas, priceMicros };
  const seen: BookSpan = { ...span, fromMinute: first, untilMinute: first + 1, source: 'reading' };
  const until = Math.ceil((goneAt - LATE_MS) / MINUTE_MS);
  // An upper bound: the endpoint is assumed to have existed until the reading that did not find it.
  const assumed: BookSpan = { ...span, fromMinute: first + 1, untilMinute: until, source: 'estimate' };
  return withFirst(replicas > 0 && until > first + 1 ? [seen, assumed] : [seen], before.minute);
}

/** When the endpoint changed: by `updatedAt`, else the middle between the readings. */
function turnOf(before: EndpointReading, after: EndpointReading): number {
  return hasChangeTime(before, after) ? (after.updatedAt as number) : (before.at + after.at) / 2;
}

function hasChangeTime(before: EndpointReading, { at, updatedAt }: EndpointReading): boolean {
  return updatedAt !== null && updatedAt > before.at && updatedAt <= at;
}

/** The first minute is already recorded. Its new record must not cost less. */
function withFirst(spans: readonly BookSpan[], booked: BookedReading['minute']): BookSpan[] {
  const [first, ...rest] = spans;
  if (first === undefined) return [];
  if (rateOf(booked) <= rateOf(first) && booked.replicas <= first.replicas) return [first, ...rest];
  return [{ ...first, ...booked }, ...rest];
}

function rateOf({ replicas, priceMicros }: Pick<BookSpan, 'replicas' | 'priceMicros'>): number {
  return replicas * (priceMicros ?? 0);
}

function joined(spans: readonly BookSpan[]): BookSpan[] {
  const result: BookSpan[] = [];
  for (const span of spans) {
    const open = result.at(-1);
    if (open !== undefined && isAlike(open, span))
      result[result.length - 1] = { ...open, untilMinute: span.untilMinute };
    else result.push(span);
  }
  return result;
}

/** Whether two spans have the same values. */
export function isAlike(one: Omit<BookSpan, 'fromMinute' | 'untilMinute'>, other: typeof one): boolean {
  return (
    one.state === other.state &&
    one.replicas === other.replicas &&
    one.priceMicros === other.priceMicros &&
    one.source === other.source
  );
}
