import { addSigns, meanSign, noSigns, SIGNS } from './signs.ts';
import type { Signs } from './signs.ts';

/**
 * The measured concurrency that one replica can carry. Calls are grouped into levels by concurrency per ready replica in the
 * ten seconds in which they set out. Each level is a quarter higher than the one below. An engine that is full queues calls,
 * and the first token comes later. If its batches are too large, each token takes longer. A level is well if two things
 * hold: no sign is worse than at the lowest levels that were seen (the endpoint without much demand) by more than a factor
 * and what chance explains, and no more than one call in fifty was turned away because the engine was full, beyond chance. Each
 * call takes the same time to count, and the memory is bounded by levels times signs.
 */
export interface Capacity {
  /** Calls at once per replica: the mean of the highest level that was well. */
  readonly carried: number;
  /** Whether a higher level was seen to be full. If false, the limit is not known yet. */
  readonly isLimit: boolean;
  /**
   * Calls at once per replica that may be tried: one level below the lowest one that was too slow. It is more than
   * `carried` if no level between the two has been seen yet. Absent if none was too slow: an endpoint that turns calls
   * away shows by itself how many it takes.
   */
  readonly mayCarry?: number;
}

const FIRST_TOKEN = 0;

/**
 * A level is full above `FULL` times the lowest levels. It is well again only below `WELL` times, so that it does not
 * flap.
 */
const FULL = { firstToken: 2, other: 1.5 } as const;
const WELL = { firstToken: 1.6, other: 1.3 } as const;
const TURNED_AWAY = 0.02;
/** So many standard errors are chance: each level is looked at again every ten seconds. */
const CLEAR = 3;

const LEVEL = 1.25;
const STEP = Math.log(LEVEL);
const LEVELS = 48;
/** A level is known once it has this many calls in this many spans of ten seconds. */
const ENOUGH_CALLS = 30;
const ENOUGH_SPANS = 6;
/** Above this many calls, a level's counts are halved, so that older calls count less. */
const MOST_CALLS = 4_000;

interface Level extends Signs {
  spans: number;
  /** Sum over spans of calls at once per replica. */
  concurrency: number;
  /** Whether it was too slow when it was last looked at. */
  isSlow: boolean;
}

/** The level of a concurrency per replica. */
function levelOf(perReplica: number): number {
  return perReplica <= 1 ? 0 : Math.min(LEVELS - 1, Math.floor(Math.log(perReplica) / STEP));
}

/** What is stored, so that the next process continues from it: plain JSON. */
export type LearnedCapacity = readonly (readonly [level: number, found: Readonly<Level>])[];

/** Which signs can make a level full: those that the policy's judge acts on too. */
export interface HeededSigns {
  readonly firstToken: boolean;
  /** Time per token, and the time of answers without tokens. */
  readonly other: boolean;
}

/** The levels of one endpoint. */
export class CapacityTable {
  readonly #heeds: HeededSigns;
  readonly #levels = new Map<number, Level>();
  #capacity: Capacity | null = null;

  constructor(heeds: HeededSigns, learned: LearnedCapacity = []) {
    this.#heeds = heeds;
    for (const [level, found] of learned) this.#levels.set(level, copyOf(found));
    this.#assess();
  }

  /** Null while no level with enough calls was well. */
  get capacity(): Capacity | null {
    return this.#capacity;
  }

  get learned(): LearnedCapacity {
    return [...this.#levels].map(([level, found]) => [level, copyOf(found)]);
  }

  /** Adds a span of ten seconds with its calls at once per ready replica. */
  span(perReplica: number, signs: Signs): void {
    const level = this.#level(levelOf(perReplica));
    level.spans++;
    level.concurrency += perReplica;
    this.#add(level, signs);
    this.#assess();
  }

  /** Adds calls that ended after their span was added. */
  late(perReplica: number, signs: Signs): void {
    this.#add(this.#level(levelOf(perReplica)), signs);
  }

  #level(index: number): Level {
    let level = this.#levels.get(index);
    if (level === undefined) {
      level = { ...noSigns(), spans: 0, concurrency: 0, isSlow: false };
      this.#levels.set(index, level);
    }
    return level;
  }

  #add(level: Level, signs: Signs): void {
    addSigns(level, signs);
    if (level.calls <= MOST_CALLS) return;
    level.calls /= 2;
    level.spans /= 2;
    level.turnedAway /= 2;
    level.concurrency /= 2;
    for (const figures of [level.counts, level.sums, level.squares])
      figures.forEach((one, i) => (figures[i] = one / 2));
  }

  #assess(): void {
    const known = [...this.#levels]
      .filter(([, { calls, spans }]) => calls >= ENOUGH_CALLS && spans >= ENOUGH_SPANS)
      .sort(([a], [b]) => a - b)
      .map(([, level]) => level);
    const base = Array.from({ length: SIGNS }, (_, sign) => {
      return (sign === FIRST_TOKEN ? this.#heeds.firstToken : this.#heeds.other) ? baseOf(known, sign) : null;
    });
    const slow = new Set(known.filter((level) => isSlow(level, base)));
    for (const level of known) level.isSlow = slow.has(level);
    const isFull = known.map((level) => level.isSlow || isTurningAway(level));
    const full = isFull.indexOf(true);
    // More concurrency never makes an engine faster. If a level was well, a full level below it was bad luck. A level that looks
    // slow, and has too few calls to tell, is no such proof.
    const best = known.findLastIndex(
      (level, i) => isFull[i] === false && (full < 0 || i < full || !isSlow(level, base, 0)),
    );
    const highest = known[best];
    if (highest === undefined) {
      this.#capacity = null;
      return;
    }
    const carried = meanOf(highest);
    const lowest = known.slice(best + 1).find((level) => slow.has(level));
    const mayCarry = lowest === undefined ? null : Math.max(carried, rounded(meanOf(lowest) / LEVEL));
    this.#capacity = { carried, isLimit: best < known.length - 1, ...(mayCarry !== null && { mayCarry }) };
  }
}

/** Mean calls at once per replica. */
function meanOf({ concurrency, spans }: Level): number {
  return rounded(concurrency / spans);
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

function copyOf(level: Readonly<Level>): Level {
  return { ...level, counts: [...level.counts], sums: [...level.sums], squares: [...level.squares] };
}

/** What a sign is at the lowest levels that together have enough calls. Null if too few calls give it. */
function baseOf(known: readonly Level[], sign: number): ReturnType<typeof meanSign> {
  const lowest = noSigns();
  for (const level of known) {
    addSigns(lowest, level);
    const base = meanSign(lowest, sign, ENOUGH_CALLS);
    if (base !== null) return base;
  }
  return null;
}

/** Whether a level turned away more calls than its share, and more than chance explains: one of 30 says little about one in 50. */
function isTurningAway({ calls, turnedAway }: Level): boolean {
  const expected = calls * TURNED_AWAY;
  return turnedAway > expected + CLEAR * Math.sqrt(expected * (1 - TURNED_AWAY));
}

/**
 * A level that looks full gets no more calls than fit below it, so that chance would not be corrected soon. It is full only
 * if the difference is beyond what chance explains.
 */
function isSlow(level: Level, base: readonly ReturnType<typeof meanSign>[], clear = CLEAR): boolean {
  const factors = level.isSlow ? WELL : FULL;
  return base.some((unloaded, sign) => {
    const found = meanSign(level, sign, ENOUGH_CALLS);
    if (unloaded === null || found === null) return false;
    const most = Math.log(sign === FIRST_TOKEN ? factors.firstToken : factors.other);
    const chance = clear * Math.sqrt(found.errorSquare + unloaded.errorSquare);
    return found.mean - unloaded.mean > most + chance;
  });
}
