import { Chance, seedOf } from './chance.ts';
import { FormDraws } from './made-form.ts';
import { Column, PAST_CALLS } from './trace.ts';
import type { Affinity } from '../../src/core/route.ts';
import { Units } from './units.ts';
import type { Unit } from './units.ts';
import type { World } from './worlds.ts';

const MEDIAN_PROMPT = 1_500;
const PROMPT_SPREAD = 1;
const MEDIAN_OUTPUT = 150;
/** The part of an answer's length that follows from the question, and the part that differs each time. */
const QUESTION_SPREAD = 0.75;
const ANSWER_SPREAD = 0.25;
const RESIDUAL_SPREAD = 0.35;
/** Of a call's residual, how much its first token shares; and what is its own, so that both spread alike. */
const FIRST_SHARED = 0.7;
const FIRST_OWN = Math.sqrt(1 - FIRST_SHARED ** 2);
/** Of a call's residual, how much its unit shares, so that calls spread as they do without units. */
const UNIT_SHARED = 0.6;
const UNIT_OWN = Math.sqrt(1 - UNIT_SHARED ** 2);
/** Levels are correlated over six minutes. */
const PHI = Math.exp(-1 / 6);
const FRESH = Math.sqrt(1 - PHI ** 2);

/** What is drawn for a call at one upstream. */
export class ArmDraws {
  /** Tokens of the answer. */
  readonly output = new Column();
  /** Factors on the time to the end, and to the first token: log-normal, with the level of the minute. */
  readonly slower = new Column();
  readonly firstSlower = new Column();
  /** In [0, 1): whether it is refused, fails, or is odd in some other way. */
  readonly fate = new Column();
  readonly oddity = new Column();
  level = 0;
}

/**
 * Everything about a trace that is chance, whatever the truth: Poisson arrivals, log-normal sizes and residuals, and two
 * upstreams whose levels wander. Calls 0 to `past - 1` are those before the rollout.
 */
export class Draws {
  readonly past: number;
  /** A minute in which something may go wrong. */
  readonly incident: number;
  readonly atMs = new Column();
  readonly coin = new Column();
  readonly copyCoin = new Column();
  /** Whether it streams is read from the lower digits. */
  readonly streamCoin = new Column();
  readonly prompt = new Column();
  readonly arms = { stable: new ArmDraws(), canary: new ArmDraws() } as const;
  /** What is drawn for the form of answers. */
  readonly forms: FormDraws;
  /** The unit of each call, if units are assigned. */
  readonly unit = new Column();
  readonly #units: Units | null;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #starts: number[];
  #nextAtMs: number;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#units = world.units === undefined ? null : new Units(world.units, seed);
    this.#chance = new Chance(seed);
    this.forms = new FormDraws(seedOf(seed, 78));
    this.incident = 3 + Math.floor(this.#chance.uniform() * 20);
    this.arms.stable.level = this.#chance.normal();
    this.arms.canary.level = this.#chance.normal();
    this.past = this.#drawPast();
    this.#starts = [this.past];
    this.#nextAtMs = this.#gapMs();
  }

  get affinity(): Affinity {
    return this.#world.units?.affinity ?? 'call';
  }

  get callsPerMinute(): number {
    return this.#world.callsPerMinute;
  }

  /** The first call of a minute since the rollout began. */
  start(minute: number): number {
    while (this.#starts.length <= minute) this.#drawMinute();
    return this.#starts[minute] as number;
  }

  /** Returns how many calls there were. */
  #drawPast(): number {
    const { pastMinutes, callsPerMinute } = this.#world;
    const perMinute = Math.min(Math.floor(PAST_CALLS / pastMinutes), callsPerMinute);
    let call = 0;
    for (let minute = -pastMinutes; minute < 0; minute++) {
      this.#wander();
      for (let i = 0; i < perMinute; i++) this.#drawCall(call++, (minute + i / perMinute) * 60_000);
    }
    return call;
  }

  #drawMinute(): void {
    const minute = this.#starts.length - 1;
    let call = this.#starts[minute] as number;
    this.#wander();
    while (this.#nextAtMs < (minute + 1) * 60_000) {
      this.#drawCall(call++, this.#nextAtMs);
      this.#nextAtMs += this.#gapMs();
    }
    this.#starts.push(call);
  }

  #gapMs(): number {
    return (-Math.log(1 - this.#chance.uniform()) * 60_000) / this.#world.callsPerMinute;
  }

  /** The next minute's levels. */
  #wander(): void {
    for (const arm of [this.arms.stable, this.arms.canary]) {
      arm.level = PHI * arm.level + FRESH * this.#chance.normal();
    }
  }

  #drawCall(call: number, atMs: number): void {
    const chance = this.#chance;
    this.atMs.set(call, atMs);
    const unit = this.#units === null ? null : this.#units.next(atMs);
    const coin = chance.uniform();
    this.coin.set(call, unit === null ? coin : unit.coin);
    this.streamCoin.set(call, coin);
    if (unit !== null) this.unit.set(call, unit.id);
    this.copyCoin.set(call, chance.uniform());
    this.prompt.set(call, MEDIAN_PROMPT * Math.exp(PROMPT_SPREAD * chance.normal()));
    const question = QUESTION_SPREAD * chance.normal();
    this.#drawOutcome(call, this.arms.stable, { drift: this.#world.stableDrift, question, unit });
    this.#drawOutcome(call, this.arms.canary, { drift: this.#world.canaryDrift, question, unit });
    if (unit === null || this.#units?.sharesFate() === false) return;
    for (const arm of [this.arms.stable, this.arms.canary]) arm.fate.set(call, unit.fate);
  }

  #drawOutcome(
    call: number,
    arm: ArmDraws,
    { drift, question, unit }: { readonly drift: number; readonly question: number; readonly unit: Unit | null },
  ): void {
    const chance = this.#chance;
    const level = drift * arm.level;
    const own = chance.normal();
    const residual = unit === null ? own : UNIT_SHARED * unit.pace + UNIT_OWN * own;
    const first = FIRST_SHARED * residual + FIRST_OWN * chance.normal();
    arm.output.set(call, MEDIAN_OUTPUT * Math.exp(question + ANSWER_SPREAD * chance.normal()));
    arm.slower.set(call, Math.exp(RESIDUAL_SPREAD * residual + level));
    arm.firstSlower.set(call, Math.exp(RESIDUAL_SPREAD * first + level));
    arm.fate.set(call, chance.uniform());
    arm.oddity.set(call, chance.uniform());
  }
}
