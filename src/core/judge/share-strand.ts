import type { Role } from '../route.ts';
import { Comparison } from './comparison.ts';
import { ShareFailureBet } from './failure-bet.ts';
import { ShareGate } from './pass-gate.ts';
import type { PassOdds } from './pass-gate.ts';
import { UNSEEN } from './metric-judge.ts';

/** One direction in which a share may differ: more of it, or less. */
class Side {
  readonly #isMore: boolean;
  readonly bet: ShareFailureBet;
  /** On the first calls of units; null if each call is assigned by itself. */
  readonly first: ShareFailureBet | null;
  readonly gate: ShareGate;

  constructor(isMore: boolean, { margin, rollbackMargin, usual, hasUnits }: StrandRule) {
    this.#isMore = isMore;
    const share = isMore ? usual : 1 - usual;
    this.bet = new ShareFailureBet(rollbackMargin, share);
    this.first = hasUnits ? new ShareFailureBet(rollbackMargin, share) : null;
    this.gate = new ShareGate(margin, share);
  }

  /** The score as this side counts it. */
  of(score: number): number {
    return this.#isMore ? score : 1 - score;
  }
}

interface StrandRule {
  readonly margin: number;
  readonly rollbackMargin: number;
  /** The share that is usual, 0..1. */
  readonly usual: number;
  readonly callsPerMinute: number;
  /** Whether less of it counts as a difference too. */
  readonly isTwoSided: boolean;
  readonly hasUnits: boolean;
}

/** Compares one share of the two roles: bets and a gate for each direction, and the levels for people. */
export class ShareStrand {
  readonly #sides: readonly Side[];
  readonly #comparison: Comparison;
  #seen = 0;

  constructor(rule: StrandRule) {
    const directions = rule.isTwoSided ? [true, false] : [true];
    this.#sides = directions.map((isMore) => new Side(isMore, rule));
    const likely = Math.min(0.5, Math.min(rule.usual, 1 - rule.usual) + UNSEEN);
    const variance = likely * (1 - likely);
    this.#comparison = new Comparison(variance, { sigma: 0, phi: 0 }, rule.callsPerMinute, variance);
  }

  /** How many calls, pairs or units had a score. */
  get seen(): number {
    return this.#seen;
  }

  /** How many bets there are against the canary. */
  get bets(): number {
    return this.#sides.reduce((count, { first }) => count + (first === null ? 1 : 2), 0);
  }

  /**
   * Takes a call or a unit. `score`: 0..1; null if it could not be told; undefined if it does not ask for it. The two differ,
   * because only the first tells that a role loses calls that ask.
   */
  take(role: Role, weight: number, score: number | null | undefined): void {
    if (score === undefined) {
      for (const { bet, gate } of this.#sides) {
        bet.passBy(role);
        gate.passBy(role);
      }
      return;
    }
    if (score !== null) {
      this.#seen++;
      this.#comparison.add(role, score);
    }
    for (const side of this.#sides) {
      const own = score === null ? null : side.of(score);
      side.bet.take(role, weight, own);
      side.gate.take(role, weight, own);
    }
  }

  /** Takes the first call of a unit. It has a coin of its own. */
  takeFirst(role: Role, weight: number, score: number | null | undefined): void {
    for (const side of this.#sides) {
      if (score === undefined) side.first?.passBy(role);
      else side.first?.take(role, weight, score === null ? null : side.of(score));
    }
  }

  pair(stable: number, canary: number): void {
    this.#seen++;
    this.#comparison.add('stable', stable);
    this.#comparison.add('canary', canary);
    for (const side of this.#sides) {
      const [before, after] = [side.of(stable), side.of(canary)];
      side.bet.pair(before, after);
      side.first?.pair(before, after);
      side.gate.pair(before, after);
    }
  }

  endMinute(minute: number, isUsual: boolean): void {
    this.#comparison.endMinute(minute, isUsual);
    for (const { bet, first, gate } of this.#sides) {
      bet.endMinute();
      first?.endMinute();
      gate.endMinute(isUsual);
    }
  }

  beginStep(): void {
    this.#comparison.beginStep();
    for (const { gate } of this.#sides) gate.beginStep();
  }

  /** The highest odds of any single bet against the canary so far. */
  get failOdds(): number {
    return Math.max(...this.#sides.map(({ bet, first }) => Math.max(bet.odds, first?.odds ?? 0)));
  }

  passOdds(): PassOdds {
    const odds = this.#sides.map(({ gate }) => gate.passOdds());
    return {
      rollout: Math.min(...odds.map(({ rollout }) => rollout)),
      step: Math.min(...odds.map(({ step }) => step)),
    };
  }

  /** The share of a role in this step; null without any. */
  level(role: Role): number | null {
    return this.#comparison.level(role);
  }

  /** Canary less stable over the rollout, with its 95 % range; null without data. */
  effect(): { readonly effect: number | null; readonly low: number | null; readonly high: number | null } {
    const range = this.#comparison.effect();
    if (range === null) return { effect: null, low: null, high: null };
    const cut = (value: number) => Math.max(-1, Math.min(1, value));
    return { effect: cut(range.mean), low: cut(range.low), high: cut(range.high) };
  }
}
