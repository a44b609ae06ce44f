import type { HistoryCall } from '../../src/core/profile.ts';
import type { Role } from '../../src/core/route.ts';
import { Chance } from './chance.ts';
import { BEGIN_US, Column, emptySeen } from './trace.ts';
import type { Seen, Trace } from './trace.ts';
import { NORMAL } from './truths.ts';
import type { Behaviour, Truth } from './truths.ts';

/** How much traffic there is, and how much the level of each upstream wanders from minute to minute. */
export interface World {
  readonly name: string;
  readonly callsPerMinute: number;
  /** Standard deviation of the logarithm of an upstream's level. */
  readonly stableWobble: number;
  readonly canaryWobble: number;
}

export const WORLDS: readonly World[] = [
  { name: 'calm', callsPerMinute: 400, stableWobble: 0.06, canaryWobble: 0.05 },
  { name: 'noisy', callsPerMinute: 400, stableWobble: 0.15, canaryWobble: 0.1 },
  { name: 'low traffic', callsPerMinute: 40, stableWobble: 0.06, canaryWobble: 0.05 },
];

const HISTORY_MINUTES = 360;
/** Of the hours before, this many calls a minute are enough to learn from. */
const HISTORY_CALLS_PER_MINUTE = 60;

const FIXED_MS = 300;
const MS_PER_PROMPT_TOKEN = 0.2;
const MS_PER_OUTPUT_TOKEN = 15;
const MEDIAN_PROMPT = 1_500;
const PROMPT_SPREAD = 1;
const MEDIAN_OUTPUT = 150;
/** The part of an answer's length that follows from the question, and the part that differs each time. */
const OUTPUT_SPREAD = 0.75;
const ANSWER_SPREAD = 0.25;
const RESIDUAL_SPREAD = 0.35;
/** Of a call's residual, how much its first token shares. */
const FIRST_TOKEN_SHARED = 0.7;
const MAX_PROMPT = 32_000;
const MAX_OUTPUT = 4_096;
/** Levels are correlated over six minutes. */
const PHI = Math.exp(-1 / 6);
/** Of serverless with all traffic: falls as traffic leaves it. */
const REFUSED_SHARE = 0.06;
const EMPTY_SHARE = 0.003;
const FAULT_MS = 150;
const REFUSED_MS = 60;
const STREAMED_SHARE = 0.75;

/** What is drawn for a call at one upstream, whatever the truth. */
class Arm {
  readonly output = new Column();
  /** Factors on the time to the end, and to the first token. */
  readonly slower = new Column();
  readonly firstSlower = new Column();
  readonly fate = new Column();
  readonly oddity = new Column();
  level = 0;
}

/** A made-up trace: Poisson arrivals, log-normal sizes and residuals, and upstreams whose levels wander. */
export class SyntheticTrace implements Trace {
  readonly #world: World;
  readonly #truth: Truth;
  readonly #chance: Chance;
  readonly #incident: number;
  readonly #starts: number[] = [0];
  readonly #at = new Column();
  readonly #coin = new Column();
  readonly #copyCoin = new Column();
  readonly #prompt = new Column();
  readonly #arms: Readonly<Record<Role, Arm>> = { stable: new Arm(), canary: new Arm() };
  readonly #history: readonly HistoryCall[];
  #nextAtMs = 0;
  /** The behaviour of the last minute and weight asked for. */
  #known = { minute: -1, weight: -1, stable: NORMAL, canary: NORMAL };

  constructor(world: World, truth: Truth, seed: number) {
    this.#world = world;
    this.#truth = truth;
    this.#chance = new Chance(seed);
    this.#incident = 3 + Math.floor(this.#chance.uniform() * 20);
    this.#arms.stable.level = this.#chance.normal();
    this.#arms.canary.level = this.#chance.normal();
    this.#history = this.#makeHistory();
    this.#nextAtMs = this.#gapMs();
  }

  start(minute: number): number {
    while (this.#starts.length <= minute) this.#makeMinute();
    return this.#starts[minute] as number;
  }

  arrivedAtMs(call: number): number {
    return this.#at.values[call] as number;
  }

  coin(call: number): number {
    return this.#coin.values[call] as number;
  }

  copyCoin(call: number): number {
    return this.#copyCoin.values[call] as number;
  }

  history(): readonly HistoryCall[] {
    return this.#history;
  }

  read(call: number, role: Role, minute: number, weight: number, seen: Seen): void {
    const known = this.#known;
    if (known.minute !== minute || known.weight !== weight) {
      known.minute = minute;
      known.weight = weight;
      known.stable = { ...NORMAL, ...this.#truth.stable?.(minute, this.#incident) };
      known.canary = { ...NORMAL, ...this.#truth.canary?.(minute, weight) };
    }
    const refused = role === 'stable' ? REFUSED_SHARE * (1 - weight) : 0;
    this.#settle(call, this.#arms[role], known[role], refused, seen);
  }

  #settle(call: number, arm: Arm, behaviour: Behaviour, refused: number, seen: Seen): void {
    const fate = arm.fate.values[call] as number;
    const slower = arm.slower.values[call] as number;
    const prompt = this.#prompt.values[call] as number;
    seen.promptTokens = prompt;
    seen.firstTokenMs = null;
    seen.outputTokens = 0;
    if (fate < refused) {
      seen.outcome = 'rate_limited';
      seen.durationMs = REFUSED_MS * slower;
      return;
    }
    if (fate - refused < behaviour.faults) {
      seen.outcome = behaviour.isDead ? 'connect_failed' : 'server_error';
      seen.durationMs = FAULT_MS * slower;
      return;
    }
    const oddity = arm.oddity.values[call] as number;
    seen.outcome = 'ok';
    if (oddity < behaviour.hangs) {
      seen.durationMs = Number.POSITIVE_INFINITY;
      return;
    }
    const factor =
      oddity - behaviour.hangs < behaviour.tail ? behaviour.slower * behaviour.tailFactor : behaviour.slower;
    const isEmpty = oddity >= 1 - EMPTY_SHARE;
    seen.outputTokens = isEmpty ? 0 : Math.max(1, Math.round((arm.output.values[call] as number) * behaviour.length));
    const untilFirst = FIXED_MS + MS_PER_PROMPT_TOKEN * prompt;
    seen.durationMs = (untilFirst + MS_PER_OUTPUT_TOKEN * seen.outputTokens) * slower * factor;
    if (((this.#coin.values[call] as number) * 1024) % 1 < STREAMED_SHARE && !isEmpty) {
      const first = untilFirst * (arm.firstSlower.values[call] as number) * factor;
      seen.firstTokenMs = Math.min(first, 0.95 * seen.durationMs);
    }
  }

  #gapMs(): number {
    return (-Math.log(1 - this.#chance.uniform()) * 60_000) / this.#world.callsPerMinute;
  }

  #makeMinute(): void {
    const minute = this.#starts.length - 1;
    let call = this.#starts[minute] as number;
    const size = this.#truth.size?.(minute) ?? 1;
    this.#wander();
    const endMs = (minute + 1) * 60_000;
    while (this.#nextAtMs < endMs) {
      this.#at.set(call, this.#nextAtMs);
      this.#coin.set(call, this.#chance.uniform());
      this.#copyCoin.set(call, this.#chance.uniform());
      this.#makeCall(call, size);
      call++;
      this.#nextAtMs += this.#gapMs();
    }
    this.#starts.push(call);
  }

  /** The next minute's levels. */
  #wander(): void {
    const fresh = Math.sqrt(1 - PHI * PHI);
    const { stable, canary } = this.#arms;
    stable.level = PHI * stable.level + fresh * this.#chance.normal();
    canary.level = PHI * canary.level + fresh * this.#chance.normal();
  }

  #makeCall(call: number, size: number): void {
    const chance = this.#chance;
    const prompt = Math.round(MEDIAN_PROMPT * size * Math.exp(PROMPT_SPREAD * chance.normal()));
    this.#prompt.set(call, Math.max(1, Math.min(MAX_PROMPT, prompt)));
    const question = OUTPUT_SPREAD * chance.normal();
    this.#makeOutcome(call, this.#arms.stable, this.#world.stableWobble, size, question);
    this.#makeOutcome(call, this.#arms.canary, this.#world.canaryWobble, size, question);
  }

  #makeOutcome(call: number, arm: Arm, wobble: number, size: number, question: number): void {
    const chance = this.#chance;
    const output = MEDIAN_OUTPUT * size * Math.exp(question + ANSWER_SPREAD * chance.normal());
    const residual = chance.normal();
    const own = Math.sqrt(1 - FIRST_TOKEN_SHARED ** 2) * chance.normal();
    const level = wobble * arm.level;
    arm.output.set(call, Math.min(MAX_OUTPUT, output));
    arm.slower.set(call, Math.exp(RESIDUAL_SPREAD * residual + level));
    arm.firstSlower.set(call, Math.exp(RESIDUAL_SPREAD * (FIRST_TOKEN_SHARED * residual + own) + level));
    arm.fate.set(call, chance.uniform());
    arm.oddity.set(call, chance.uniform());
  }

  /** Serverless alone, in the hours before. Uses the columns as a scratch pad. */
  #makeHistory(): HistoryCall[] {
    const calls: HistoryCall[] = [];
    const perMinute = Math.min(HISTORY_CALLS_PER_MINUTE, this.#world.callsPerMinute);
    const seen = emptySeen();
    for (let minute = -HISTORY_MINUTES; minute < 0; minute++) {
      this.#wander();
      for (let i = 0; i < perMinute; i++) {
        this.#coin.set(0, this.#chance.uniform());
        this.#makeCall(0, 1);
        this.#settle(0, this.#arms.stable, NORMAL, REFUSED_SHARE, seen);
        calls.push({
          arrivedAtUs: BEGIN_US + Math.round((minute + i / perMinute) * 60e6),
          durationUs: Math.round(seen.durationMs * 1_000),
          outcome: seen.outcome,
          firstTokenUs: seen.firstTokenMs === null ? null : Math.round(seen.firstTokenMs * 1_000),
          promptTokens: seen.promptTokens,
          outputTokens: seen.outputTokens,
        });
      }
    }
    return calls;
  }
}
