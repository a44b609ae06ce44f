import { MINUTE_MS } from '../time.ts';

/** The books of endpoints: what is known of one from readings, and from the API's graphs, minute by minute. */

/** Whether an endpoint was seen in a minute, told of by the API's graphs, or is only thought to have been so. */
export type BookSource = 'reading' | 'metrics' | 'estimate';

/** What one reading at an endpoint saw. Times in epoch ms. */
export interface EndpointReading {
  readonly at: number;
  readonly state: string;
  /** Replicas that are billed in that state; 0 where none is. */
  readonly replicas: number;
  /** Micro-dollars per replica and hour; null where nobody could tell. */
  readonly priceMicros: number | null;
  /** When the API says that the endpoint last changed; null where it does not. */
  readonly updatedAt: number | null;
}

/** A reading that is in the books, and what they have for the minute in which it was made. */
export interface BookedReading extends EndpointReading {
  readonly minute: Pick<BookSpan, 'replicas' | 'priceMicros' | 'source'>;
}

/** Minutes in a row, whole minutes since 1970, in which an endpoint was the same. */
export interface BookSpan {
  readonly fromMinute: number;
  /** The first minute that is not in it. */
  readonly untilMinute: number;
  /** Null where it is not known. */
  readonly state: string | null;
  /** Billed in each of the minutes, the most at any moment of it. */
  readonly replicas: number;
  readonly priceMicros: number | null;
  readonly source: BookSource;
}

/**
 * What the API's graphs tell of billed replicas. Minutes that are not there had none; but of those before the first nothing
 * is told: graphs reach back only so far.
 */
export interface ReplicaMinutes {
  readonly minutes: ReadonlyMap<number, number>;
  /** Whether each minute was told of by itself. */
  readonly isByMinute: boolean;
}

/** Two readings that are further apart have a gap between them, in which more may have happened than they tell. */
const GAP_MS = 2 * MINUTE_MS;
/** A reading comes within so many ms of the turn of its minute, as a rule. */
const LATE_MS = 10_000;

const BILLED = new Set(['initializing', 'updating', 'running']);

/** Replicas that an endpoint in a state is billed for: those that are there or are being started. */
export function billedReplicas(state: string, { ready, target }: { ready: number; target: number }): number {
  if (BILLED.has(state)) return Math.max(1, ready, target);
  // A change that failed leaves the replicas running that were there before.
  return state === 'updateFailed' ? ready : 0;
}

export function minuteOf(at: number): number {
  return Math.floor(at / MINUTE_MS);
}

/** What the books begin with for an endpoint that is seen for the first time: its creation. */
export function atCreation(createdAt: number, seen: EndpointReading): BookedReading {
  const minute = { replicas: 0, priceMicros: seen.priceMicros, source: 'reading' as const };
  return { at: createdAt, state: 'pending', replicas: 0, priceMicros: seen.priceMicros, updatedAt: createdAt, minute };
}

/** Whether two readings by themselves do not tell what was between them, so that the API's graphs should be asked. */
export function isUnsure(before: EndpointReading, after: EndpointReading): boolean {
  return after.at - before.at > GAP_MS || !isSame(before, after);
}

function isSame(before: EndpointReading, after: EndpointReading): boolean {
  return before.state === after.state && before.replicas === after.replicas && before.updatedAt === after.updatedAt;
}

/**
 * The minutes from that of one reading to that of the next, both included. A minute counts for an endpoint with the most
 * replicas that were billed at any moment of it. `told`: what the graphs say; null where they were not asked or say
 * nothing: then the endpoint is taken to have been as before until it last changed, and as it is now since then.
 */
export function settle(before: BookedReading, after: EndpointReading, told: ReplicaMinutes | null): BookSpan[] {
  const [first, last] = [minuteOf(before.at), minuteOf(after.at)];
  const turnAt = isSame(before, after) ? after.at : turnOf(before, after);
  // Whoever runs when first seen has been started since its creation.
  const wasBilled = before.state === 'pending' && after.state === 'running' && after.at - before.at > GAP_MS;
  const toldFrom = told === null ? Infinity : firstOf(told.minutes);
  const spans: BookSpan[] = [];
  for (let minute = first; minute <= last; minute++) {
    const startAt = minute * MINUTE_MS;
    const isBefore = startAt < turnAt;
    const isAfter = startAt + MINUTE_MS > turnAt;
    const { state, priceMicros } = isAfter ? after : before;
    const thought = Math.max(
      isBefore ? (wasBilled ? after.replicas : before.replicas) : 0,
      isAfter ? after.replicas : 0,
    );
    const seen = Math.max(minute === first ? before.replicas : 0, minute === last ? after.replicas : 0);
    const isTold = told !== null && minute >= toldFrom;
    const replicas = Math.max(isTold ? (told.minutes.get(minute) ?? 0) : thought, seen);
    // Between two readings that differ more may have happened than one change.
    const isKnown = isSame(before, after) || (minute === last && minute > first);
    spans.push({
      fromMinute: minute,
      untilMinute: minute + 1,
      state: replicas > 0 === BILLED.has(state) ? state : null,
      replicas,
      priceMicros: priceMicros ?? after.priceMicros,
      source: isTold ? (told.isByMinute ? 'metrics' : 'estimate') : isKnown ? 'reading' : 'estimate',
    });
  }
  return joined(withFirst(spans, before.minute));
}

function firstOf(minutes: ReplicaMinutes['minutes']): number {
  let first = Infinity;
  for (const minute of minutes.keys()) first = Math.min(first, minute);
  return first;
}

/** The minutes up to `goneAt`, when a reading did not find the endpoint any more: nobody tells when it was deleted. */
export function settleGone(before: BookedReading, goneAt: number): BookSpan[] {
  const first = minuteOf(before.at);
  const { state, replicas, priceMicros } = before;
  const span = { state, replicas, priceMicros };
  const seen: BookSpan = { ...span, fromMinute: first, untilMinute: first + 1, source: 'reading' };
  const until = Math.ceil((goneAt - LATE_MS) / MINUTE_MS);
  // At most: it is taken to have been there until nobody found it.
  const thought: BookSpan = { ...span, fromMinute: first + 1, untilMinute: until, source: 'estimate' };
  return withFirst(replicas > 0 && until > first + 1 ? [seen, thought] : [seen], before.minute);
}

/** When it changed: as it says, else in the middle. */
function turnOf(before: EndpointReading, after: EndpointReading): number {
  return isChangeTold(before, after) ? (after.updatedAt as number) : (before.at + after.at) / 2;
}

function isChangeTold(before: EndpointReading, { at, updatedAt }: EndpointReading): boolean {
  return updatedAt !== null && updatedAt > before.at && updatedAt <= at;
}

/** The first minute is in the books already: what it costs there it costs at least. */
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

/** Whether two spans say the same of their minutes. */
export function isAlike(one: Omit<BookSpan, 'fromMinute' | 'untilMinute'>, other: typeof one): boolean {
  return (
    one.state === other.state &&
    one.replicas === other.replicas &&
    one.priceMicros === other.priceMicros &&
    one.source === other.source
  );
}
