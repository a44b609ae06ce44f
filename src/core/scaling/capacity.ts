import type { Outcome } from '../call.ts';

/**
 * What one replica can carry, measured: calls are put into levels by how many were at work at once per ready replica in
 * the ten seconds in which they set out, each level a quarter higher than the one below. An engine that is full queues, and
 * queueing shows as a later first token, and batches that are too large as more time for each token. A level is well where
 * none of these signs is worse than at the lowest levels that were seen (the endpoint's own unloaded level) by more than a
 * factor, and no more than one call in fifty was turned away for want of room. Each call costs the same, and memory is
 * bounded: levels times signs.
 */
export interface Capacity {
  /** Calls at once per replica, up to which it was seen to be well. */
  readonly carried: number;
  /** Whether it was seen to be worse above that; else nobody knows yet where its limit is. */
  readonly isLimit: boolean;
}

/** Signs, each of them the logarithm of µs: how they are told is `signsOf`'s affair. */
export const SIGNS = 4;
const FIRST_TOKEN = 0;

/** Worse than unloaded by this factor: full. It is well again only below the other one, so that it does not flap. */
const FULL = { firstToken: 2, other: 1.5 } as const;
const WELL = { firstToken: 1.6, other: 1.3 } as const;
const TURNED_AWAY = 0.02;

const STEP = Math.log(1.25);
const LEVELS = 48;
/** So many calls in so many spans of ten seconds make a level known. */
const ENOUGH_CALLS = 30;
const ENOUGH_SPANS = 6;
/** Beyond this the old half of a level is forgotten. */
const MOST_CALLS = 4_000;

/** What the calls of one span of ten seconds showed. */
export interface Signs {
  readonly calls: number;
  readonly turnedAway: number;
  /** Per sign: how many calls told it, and the sum of the logarithms. */
  readonly counts: readonly number[];
  readonly sums: readonly number[];
}

interface Level {
  spans: number;
  calls: number;
  turnedAway: number;
  /** Sum over spans of calls at once per replica. */
  concurrency: number;
  counts: number[];
  sums: number[];
  isFull: boolean;
}

/** A call as capacity looks at it, times in µs from when it set out. */
export interface SignedCall {
  readonly outcome: Outcome;
  readonly durationUs: number;
  readonly firstTokenUs: number | null;
  readonly outputTokens: number | null;
}

/** Output tokens below which no time per token is told. */
const FEW_TOKENS = 4;

/**
 * What a call tells: the first token, the time per token after it, the time per token of an answer that does not stream,
 * or the time of an answer without tokens. Null for each that it does not tell.
 */
export function signsOf({ outcome, durationUs, firstTokenUs, outputTokens }: SignedCall): (number | null)[] {
  if (outcome !== 'ok' || durationUs <= 0) return [null, null, null, null];
  const tokens = outputTokens ?? 0;
  const log = (us: number) => Math.log(Math.max(1, us));
  if (firstTokenUs !== null) {
    const each = tokens < FEW_TOKENS ? null : log((durationUs - firstTokenUs) / (tokens - 1));
    return [log(firstTokenUs), each, null, null];
  }
  if (tokens >= FEW_TOKENS) return [null, null, log(durationUs / tokens), null];
  return outputTokens === null || tokens === 0 ? [null, null, null, log(durationUs)] : [null, null, null, null];
}

/** Whether a call was turned away for want of room. */
export function isTurnedAway(outcome: Outcome): boolean {
  return outcome === 'rate_limited' || outcome === 'unavailable' || outcome === 'first_byte_timeout';
}

/** The level of so many calls at once per replica. */
function levelOf(perReplica: number): number {
  return perReplica <= 1 ? 0 : Math.min(LEVELS - 1, Math.floor(Math.log(perReplica) / STEP));
}

/** What outlives the process: plain JSON. */
export type LearnedCapacity = readonly (readonly [level: number, found: Readonly<Level>])[];

/** Which signs make a level full: those that the policy's judge acts on too. */
export interface HeededSigns {
  readonly firstToken: boolean;
  /** Time per token, and of answers without tokens. */
  readonly other: boolean;
}

/** The levels of one endpoint. */
export class CapacityTable {
  readonly #heeds: HeededSigns;
  readonly #levels = new Map<number, Level>();
  #capacity: Capacity | null = null;

  constructor(heeds: HeededSigns, learned: LearnedCapacity = []) {
    this.#heeds = heeds;
    for (const [level, found] of learned) {
      this.#levels.set(level, { ...found, counts: [...found.counts], sums: [...found.sums] });
    }
    this.#assess();
  }

  /** Null as long as too little was seen. */
  get capacity(): Capacity | null {
    return this.#capacity;
  }

  get learned(): LearnedCapacity {
    return [...this.#levels].map(([level, found]) => [
      level,
      { ...found, counts: [...found.counts], sums: [...found.sums] },
    ]);
  }

  /** A span has passed with so many calls at once per ready replica. */
  span(perReplica: number, signs: Signs): void {
    const level = this.#level(levelOf(perReplica));
    level.spans++;
    level.concurrency += perReplica;
    this.#add(level, signs);
    this.#assess();
  }

  /** Calls of a span that has passed have ended only now. */
  late(perReplica: number, signs: Signs): void {
    this.#add(this.#level(levelOf(perReplica)), signs);
  }

  #level(index: number): Level {
    let level = this.#levels.get(index);
    if (level === undefined) {
      const zeros = () => Array.from({ length: SIGNS }, () => 0);
      level = { spans: 0, calls: 0, turnedAway: 0, concurrency: 0, counts: zeros(), sums: zeros(), isFull: false };
      this.#levels.set(index, level);
    }
    return level;
  }

  #add(level: Level, signs: Signs): void {
    level.calls += signs.calls;
    level.turnedAway += signs.turnedAway;
    for (let i = 0; i < SIGNS; i++) {
      level.counts[i] = (level.counts[i] as number) + (signs.counts[i] ?? 0);
      level.sums[i] = (level.sums[i] as number) + (signs.sums[i] ?? 0);
    }
    if (level.calls <= MOST_CALLS) return;
    level.calls /= 2;
    level.spans /= 2;
    level.turnedAway /= 2;
    level.concurrency /= 2;
    level.counts = level.counts.map((count) => count / 2);
    level.sums = level.sums.map((sum) => sum / 2);
  }

  #assess(): void {
    const known = [...this.#levels]
      .filter(([, { calls, spans }]) => calls >= ENOUGH_CALLS && spans >= ENOUGH_SPANS)
      .sort(([a], [b]) => a - b)
      .map(([, level]) => level);
    const base = Array.from({ length: SIGNS }, (_, sign) => {
      return (sign === FIRST_TOKEN ? this.#heeds.firstToken : this.#heeds.other) ? baseOf(known, sign) : null;
    });
    for (const level of known) level.isFull = isFull(level, base);
    // Load only ever makes it worse: a level that was well says that one below it had bad luck.
    const best = known.findLastIndex((level) => !level.isFull);
    const highest = known[best];
    this.#capacity =
      highest === undefined
        ? null
        : {
            carried: Math.round((highest.concurrency / highest.spans) * 1_000) / 1_000,
            isLimit: best < known.length - 1,
          };
  }
}

/** The mean of a sign at the lowest levels that together have enough calls; null where none tells it. */
function baseOf(known: readonly Level[], sign: number): number | null {
  let [count, sum] = [0, 0];
  for (const level of known) {
    count += level.counts[sign] as number;
    sum += level.sums[sign] as number;
    if (count >= ENOUGH_CALLS) return sum / count;
  }
  return null;
}

function isFull(level: Level, base: readonly (number | null)[]): boolean {
  if (level.turnedAway > level.calls * TURNED_AWAY) return true;
  const factors = level.isFull ? WELL : FULL;
  return base.some((unloaded, sign) => {
    const count = level.counts[sign] as number;
    if (unloaded === null || count < ENOUGH_CALLS) return false;
    const most = Math.log(sign === FIRST_TOKEN ? factors.firstToken : factors.other);
    return (level.sums[sign] as number) / count - unloaded > most;
  });
}
