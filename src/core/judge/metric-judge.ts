import { isShare } from '../policy/judge.ts';
import type { BasicMetric, MetricPolicy } from '../policy/judge.ts';
import type { Role } from '../route.ts';
import { Comparison, usualNoise } from './comparison.ts';
import type { FailOdds } from './error-rates.ts';
import { ShareFailureBet, SizeFailureBet } from './failure-bet.ts';
import { predict } from './latency-model.ts';
import { ShareGate, SizeGate } from './pass-gate.ts';
import { SIZES } from './profile.ts';
import type { Profile, Size } from './profile.ts';
import { clipped, EARLY_US } from './scores.ts';
import type { JudgedCall, MetricVerdict } from './verdict.ts';

/** Larger odds are reported as this. */
export const MOST_ODDS = 1e12;

/**
 * If fewer than this share of the answered calls have a metric, once `SEEN` calls were seen, the route does not have
 * it.
 */
export const RARE = 0.1;
export const SEEN = 100;

/**
 * The rollback margin of a size is at least this many standard deviations of the drift of the roles' difference. A bet
 * is exact at each moment, so that it would otherwise fire on an endpoint whose level drifts beyond the margin for a
 * few minutes.
 */
const SWAYS = 3;

/**
 * The variance of a share is computed as if the share were larger by this. A rare event shows no variance until it
 * happens, so that minutes without it would outweigh all others, and the range of the difference would be too narrow.
 */
export const UNSEEN = 0.01;

/** What a verdict on one metric depends on, apart from its own data. */
export interface Reading {
  readonly passAt: number;
  readonly stepAt: number;
  /** Whether the verdict is about the current step. */
  readonly isCurrent: boolean;
  readonly earlyOdds: number;
}

/** What the judge keeps of one metric. */
export class MetricJudge {
  readonly name: BasicMetric;
  readonly #policy: MetricPolicy;
  readonly #profile: Profile;
  readonly #failAt: FailOdds;
  readonly #comparison: Comparison;
  readonly #failureBet: ShareFailureBet | SizeFailureBet;
  /** On the first calls of units; null if each call is assigned by itself. */
  readonly #firstBet: ShareFailureBet | SizeFailureBet | null;
  readonly #gate: ShareGate | SizeGate;
  /** Answered stable calls, and those among them that have a score on this metric. */
  #coverage = { answered: 0, scored: 0 };

  /** `hasUnits`: whether several calls may be assigned as a whole. */
  constructor(name: BasicMetric, policy: MetricPolicy, profile: Profile, failAt: FailOdds, hasUnits = false) {
    this.name = name;
    this.#policy = policy;
    this.#profile = profile;
    this.#failAt = failAt;
    const size = sizeOf(name);
    if (size === null) {
      const usual = profile.shares[name as keyof Profile['shares']];
      const likely = usual + UNSEEN;
      const variance = likely * (1 - likely);
      this.#comparison = new Comparison(variance, { sigma: 0, phi: 0 }, profile.callsPerMinute, variance);
      const bet = () => new ShareFailureBet(policy.rollbackMargin, usual);
      [this.#failureBet, this.#firstBet] = [bet(), hasUnits ? bet() : null];
      this.#gate = new ShareGate(policy.margin, usual);
      return;
    }
    const { sigma, phi } = profile.drift[size];
    const drift = { sigma: sigma * Math.SQRT2, phi };
    const variance = profile.spread[size] ** 2;
    const margin = Math.log1p(policy.margin);
    this.#comparison = new Comparison(variance, drift, profile.callsPerMinute);
    const rollbackMargin = Math.max(Math.log1p(policy.rollbackMargin), SWAYS * drift.sigma);
    const bet = () => new SizeFailureBet(rollbackMargin, name === 'length');
    [this.#failureBet, this.#firstBet] = [bet(), hasUnits ? bet() : null];
    const margins = name === 'length' ? [margin, -margin] : [margin];
    this.#gate = new SizeGate(margins, usualNoise(variance, profile.callsPerMinute), drift);
  }

  take(call: JudgedCall, score: number | null): void {
    const { role, weight } = call;
    this.cover(call, score);
    if (score !== null) this.#comparison.add(role, clipped(this.name, score));
    this.#failureBet.take(role, weight, this.#lateScore(call, score));
    if (this.#gate instanceof ShareGate) this.#gate.take(role, weight, score);
  }

  /** Takes the first call of a unit. It has a coin of its own. */
  takeFirst(call: JudgedCall, score: number | null): void {
    this.#firstBet?.take(call.role, call.weight, this.#lateScore(call, score));
  }

  /** Takes a unit as one observation. */
  takeUnit(role: Role, weight: number, score: number | null): void {
    if (score !== null) this.#comparison.add(role, score);
    this.#failureBet.take(role, weight, score);
    if (this.#gate instanceof ShareGate) this.#gate.take(role, weight, score);
  }

  /** Counts a call for whether the route has this metric at all. */
  cover({ role, outcome }: JudgedCall, score: number | null): void {
    if (role === 'stable' && outcome === 'ok') this.#cover(score);
  }

  /** Early faults have a bet of their own. */
  #lateScore({ knownAfterUs }: JudgedCall, score: number | null): number | null {
    return this.name === 'faults' && score === 1 && knownAfterUs <= EARLY_US ? 0 : score;
  }

  pair(stable: number | null, canary: number | null): void {
    this.#cover(stable);
    if (stable === null || canary === null) return;
    this.#comparison.add('stable', clipped(this.name, stable));
    this.#comparison.add('canary', clipped(this.name, canary));
    this.#failureBet.pair(stable, canary);
    this.#firstBet?.pair(stable, canary);
    if (this.#gate instanceof ShareGate) this.#gate.pair(stable, canary);
  }

  #cover(score: number | null): void {
    this.#coverage.answered++;
    if (score !== null) this.#coverage.scored++;
  }

  endMinute(minute: number, isUsual: boolean): void {
    this.#failureBet.endMinute();
    this.#firstBet?.endMinute();
    const block = this.#comparison.endMinute(minute, isUsual);
    if (this.#gate instanceof ShareGate) this.#gate.endMinute(isUsual);
    else if (block !== null) this.#gate.add(block, this.#comparison.drift);
  }

  beginStep(): void {
    this.#comparison.beginStep();
    this.#gate.beginStep();
  }

  read({ passAt, stepAt, isCurrent, earlyOdds }: Reading): MetricVerdict {
    const pass = this.#gate.passOdds();
    const [passOdds, stepOdds] = [pass.rollout, isCurrent ? pass.step : 1];
    const { failOdds, failAt } = this.#worst(earlyOdds);
    const isPass = passOdds >= passAt && stepOdds >= stepAt;
    return {
      metric: this.name,
      judge: this.#isAvailable() && this.#policy.judge === 'act' ? 'act' : 'advise',
      status: failOdds >= failAt ? 'fail' : isPass ? 'pass' : 'open',
      stable: isCurrent ? this.#level('stable') : null,
      canary: isCurrent ? this.#level('canary') : null,
      ...this.#effect(),
      margin: this.#policy.margin,
      passOdds: Math.min(MOST_ODDS, passOdds),
      passAt,
      stepOdds: Math.min(MOST_ODDS, stepOdds),
      stepAt,
      failOdds: Math.min(MOST_ODDS, failOdds),
      failAt,
    };
  }

  /** The evidence against the canary that is nearest to its limit. */
  #worst(earlyOdds: number): { readonly failOdds: number; readonly failAt: number } {
    const all = [{ failOdds: this.#betOdds(), failAt: this.#failAt.bet }];
    if (this.name === 'faults') all.push({ failOdds: earlyOdds, failAt: this.#failAt.early });
    if (this.#gate instanceof SizeGate) {
      const { rollout, step } = this.#gate.failOdds();
      all.push({ failOdds: rollout, failAt: this.#failAt.gate }, { failOdds: step, failAt: this.#failAt.gateStep });
    }
    return all.reduce((worst, one) => (one.failOdds / one.failAt > worst.failOdds / worst.failAt ? one : worst));
  }

  /** If there are two bets, each has half of the allowed error. */
  #betOdds(): number {
    const { odds } = this.#failureBet;
    return this.#firstBet === null ? odds : Math.max(odds, this.#firstBet.odds) / 2;
  }

  /** False if the route's calls lack this metric (they do not stream, or report no tokens); it then holds no step. */
  #isAvailable(): boolean {
    const { answered, scored } = this.#coverage;
    const { calls, covered } = this.#profile;
    if (answered >= SEEN) return scored / answered >= RARE;
    return calls < SEEN || covered[this.name] >= RARE;
  }

  #level(role: 'stable' | 'canary'): number | null {
    const score = this.#comparison.level(role);
    const size = sizeOf(this.name);
    if (score === null || size === null) return score;
    return typicalOf(size, this.#profile) * Math.exp(score);
  }

  #effect(): { readonly effect: number | null; readonly low: number | null; readonly high: number | null } {
    const range = this.#comparison.effect();
    if (range === null) return { effect: null, low: null, high: null };
    const isSize = sizeOf(this.name) !== null;
    const inUnits = (value: number) => (isSize ? Math.expm1(Math.min(27, value)) : Math.max(-1, Math.min(1, value)));
    return { effect: inUnits(range.mean), low: inUnits(range.low), high: inUnits(range.high) };
  }
}

function sizeOf(name: BasicMetric): Size | null {
  return isShare(name) ? null : (SIZES.find((size) => size === name) ?? null);
}

/** What a typical call has on the stable upstream: ms, ms per token, or tokens. */
function typicalOf(size: Size, { latency, firstToken, perTokenUs, typical }: Profile): number {
  switch (size) {
    case 'speed':
      return predict(latency, typical.promptTokens, typical.outputTokens) / 1000;
    case 'firstToken':
      return predict(firstToken, typical.promptTokens, 0) / 1000;
    case 'perToken':
      return perTokenUs / 1000;
    case 'length':
      return Math.max(1, typical.outputTokens);
  }
}
