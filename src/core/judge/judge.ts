import type { Agreement } from '../form/agreement.ts';
import type { JudgePolicy } from '../policy/judge.ts';
import type { Affinity, Role, Toward } from '../route.ts';
import { Wealth } from '../stats/wealth.ts';
import { MINUTE_US } from '../time.ts';
import { STEP_AT, UNHEALTHY_AT } from './error-rates.ts';
import { ShareFailureBet } from './failure-bet.ts';
import { JudgedMetrics } from './judged-metrics.ts';
import type { Profile } from './profile.ts';
import { scoreCall, scoreEarly, scoreRejection } from './scores.ts';
import { summarize } from './sentence.ts';
import { FirstCalls, Units } from './units.ts';
import { StableHealth } from './stable-health.ts';
import { TextNotes } from './text-notes.ts';
import type { JudgedCall, MetricVerdict, Verdict } from './verdict.ts';

/** How much larger one role's share of rejected requests may be. Beyond this the roles do not get the same requests. */
const REJECTIONS_MARGIN = 0.002;

/** Finds where minutes end in a stream of calls in order of arrival. */
class Minutes {
  #now: number | null = null;

  /** The minute that has ended if the call is the first of a later minute; else null. */
  next(arrivedAtUs: number): number | null {
    const minute = Math.floor(arrivedAtUs / MINUTE_US);
    const before = this.#now;
    if (before !== null && minute <= before) return null;
    this.#now = minute;
    return before;
  }

  get now(): number | null {
    return this.#now;
  }
}

/**
 * Compares the canary with stable, call by call. It has two tiers:
 *
 * - Bets on the random assignment of each call (`failure-bet.ts`) find a much worse canary within a few calls. They are
 *   exact whatever happens to both roles together.
 * - The gate (`pass-gate.ts`) lets a step pass only on positive evidence, and finds a canary that is beyond its margin
 *   over a longer time. It uses differences of blocks of minutes, and allows for each role's own drift.
 *
 * Two further bets test the judge's own assumptions: that calls are split by the stated weights, and that the two roles
 * reject requests equally often.
 *
 * Limits: A bet is exact at each moment, so that it may fire on an endpoint that is beyond the rollback margin for some
 * minutes only. Therefore the rollback margins of sizes, and the latency from which a call is slow, are widened by what
 * the profile's drift explains. The gate is exact if levels wander as an AR(1) process with the profile's parameters,
 * and otherwise as good as these parameters. The gate never rolls back for a share, because the rollback margins of
 * shares are narrow already. `scores.ts` says how 429s and slow calls of either role are scored.
 *
 * If several calls are assigned as a whole (`units.ts`), the bets take the first call of each unit, and both tiers take each
 * unit as one observation.
 *
 * Memory does not grow with calls. The same calls in the same order give the same verdicts, bit for bit.
 */
export class Judge {
  readonly #profile: Profile;
  readonly #policy: JudgePolicy;
  /** Null if each call is assigned by itself. */
  readonly #units: { readonly early: FirstCalls; readonly full: Units } | null;
  readonly #toward: Toward;
  readonly #lastStep: number;
  readonly #metrics: JudgedMetrics;
  readonly #notes = new TextNotes();
  readonly #earlyFaults: ShareFailureBet;
  readonly #split = { more: new Wealth({ canRestart: true }), less: new Wealth({ canRestart: true }), peak: 0 };
  readonly #rejections: readonly ShareFailureBet[];
  readonly #health: StableHealth;
  readonly #earlyMinutes = new Minutes();
  readonly #minutes = new Minutes();
  #step = 0;
  #decided: Record<Role, number> = { stable: 0, canary: 0 };
  #taken = { early: 0, full: 0, pairs: 0 };

  /**
   * `steps`: the canary's weight at each step. `affinity`: what was assigned as a whole. `toward`: the kind of the canary; the profile is
   * that of the other kind.
   */
  constructor(profile: Profile, policy: JudgePolicy, steps: readonly number[], affinity: Affinity, toward: Toward) {
    this.#profile = profile;
    this.#policy = policy;
    this.#toward = toward;
    this.#lastStep = steps.length;
    this.#earlyFaults = new ShareFailureBet(policy.metrics.faults.rollbackMargin, profile.shares.faults);
    const hasUnits = affinity !== 'call';
    this.#metrics = new JudgedMetrics(profile, policy, steps, affinity);
    this.#units = hasUnits
      ? { early: new FirstCalls(), full: new Units((unit) => this.#metrics.takeUnit(unit)) }
      : null;
    this.#rejections = [0, 1].map(() => new ShareFailureBet(REJECTIONS_MARGIN, 0.002));
    this.#health = new StableHealth(profile);
  }

  /** Takes the next eligible call in order of arrival, once it failed, ended, or is older than `EARLY_US`. */
  early(call: JudgedCall): void {
    this.#taken.early++;
    if (this.#earlyMinutes.next(call.arrivedAtUs) !== null) {
      for (const bet of [this.#earlyFaults, ...this.#rejections]) bet.endMinute();
      this.#split.more.restart();
      this.#split.less.restart();
    }
    // The calls of a unit share one coin: only the first of them is drawn.
    if (this.#units?.early.isFirst(call) === false) return;
    const { role, weight } = call;
    this.#betOnSplit(role === 'canary' ? 1 - weight : -weight, weight);
    this.#earlyFaults.take(role, weight, scoreEarly(call, this.#toward));
    const rejection = scoreRejection(call, this.#toward);
    const [more, less] = this.#rejections as [ShareFailureBet, ShareFailureBet];
    more.take(role, weight, rejection);
    // The same bet with the roles exchanged.
    less.take(role === 'canary' ? 'stable' : 'canary', 1 - weight, rejection);
  }

  #betOnSplit(surprise: number, weight: number): void {
    if (weight <= 0 || weight >= 1) return;
    const { more, less } = this.#split;
    more.bet(surprise, weight);
    less.bet(-surprise, 1 - weight);
    this.#split.peak = Math.max(this.#split.peak, more.value, less.value);
  }

  /** Takes the next eligible call in order of arrival, once it failed, ended, or is older than `profile.tauUs`. */
  take(call: JudgedCall): void {
    this.#taken.full++;
    this.#moveTo(call.arrivedAtUs, call.step);
    const { role } = call;
    const scores = scoreCall(call, this.#profile, this.#health.level, this.#toward);
    if (scores.faults !== null) this.#decided[role]++;
    if (role === 'stable') this.#health.add(scores.faults, scores.speed);
    this.#notes.take(call);
    if (this.#units === null) this.#metrics.take(call, scores);
    else this.#metrics.cover(call, scores, this.#units.full.add(call, scores));
  }

  /**
   * Takes a pair: the live call on serverless and its copy on the endpoint. `agreement`: how far the two answers agree; null if
   * that is not known. Of a pair of a step only what no call by itself can show counts, because the live call is judged too.
   */
  pair(stable: JudgedCall, canary: JudgedCall, agreement: Agreement | null): void {
    this.#taken.pairs++;
    if (stable.step > 0) return this.#metrics.pairOfStep([stable, canary], agreement);
    this.#moveTo(stable.arrivedAtUs, 0);
    const { level } = this.#health;
    const score = (call: JudgedCall) => scoreCall(call, this.#profile, level, this.#toward);
    const [before, after] = [score(stable), score(canary)] as const;
    if (before.faults !== null) this.#decided.stable++;
    if (after.faults !== null) this.#decided.canary++;
    this.#health.add(before.faults, before.speed);
    for (const call of [stable, canary]) this.#notes.take(call);
    this.#metrics.pair([stable, canary], [before, after], agreement);
  }

  #moveTo(arrivedAtUs: number, step: number): void {
    const over = this.#minutes.next(arrivedAtUs);
    const isNewStep = step !== this.#step;
    if (isNewStep) this.#units?.full.closeAll();
    if (over !== null) this.#endMinute(over);
    else if (isNewStep && this.#minutes.now !== null) this.#endMinute(this.#minutes.now);
    if (!isNewStep) return;
    this.#step = step;
    this.#decided = { stable: 0, canary: 0 };
    this.#metrics.beginStep();
  }

  #endMinute(minute: number): void {
    const isUsual = this.#health.endMinute();
    this.#metrics.endMinute(minute, isUsual);
  }

  /** The verdict on a step as of now. */
  verdict(step: number): Verdict {
    const { errorRates } = this.#policy;
    const passAt = 1 / (step >= this.#lastStep ? errorRates.falsePassLast : errorRates.falsePass);
    const isCurrent = step === this.#step;
    const metrics = this.#metrics.read({ passAt, stepAt: STEP_AT, isCurrent, earlyOdds: this.#earlyFaults.odds });
    const [stableCalls, canaryCalls] = isCurrent ? [this.#decided.stable, this.#decided.canary] : [0, 0];
    const { status, cause } = weigh(metrics, { step, canaryCalls, unsound: this.#unsound() });
    const notes = this.#notes.read();
    const found = { status, cause, step, stableCalls, canaryCalls, metrics, ...(notes.length > 0 && { notes }) };
    return { ...found, summary: summarize(found, this.#toward), taken: { ...this.#taken } };
  }

  #unsound(): 'split' | 'rejections' | null {
    if (this.#split.peak >= UNHEALTHY_AT) return 'split';
    return this.#rejections.some(({ odds }) => odds >= UNHEALTHY_AT) ? 'rejections' : null;
  }
}

/** What the metrics come to. `promptTokens` holds only the first step, because only copies can tell. */
function weigh(
  metrics: readonly MetricVerdict[],
  {
    step,
    canaryCalls,
    unsound,
  }: { readonly step: number; readonly canaryCalls: number; readonly unsound: 'split' | 'rejections' | null },
): Pick<Verdict, 'status' | 'cause'> {
  const acting = metrics.filter(({ judge }) => judge === 'act');
  const failed = acting
    .filter(({ metric, status }) => status === 'fail' && metric !== 'promptTokens')
    .toSorted((a, b) => b.failOdds / b.failAt - a.failOdds / a.failAt)[0];
  if (failed !== undefined) return { status: 'fail', cause: failed.metric };
  if (unsound !== null) return { status: 'unhealthy', cause: unsound };
  if (canaryCalls === 0) return { status: 'no data', cause: null };
  const differs = acting.some(({ metric, status }) => metric === 'promptTokens' && status === 'fail');
  if (step === 0 && differs) return { status: 'inconclusive', cause: 'promptTokens' };
  const deciding = acting.filter(({ pairs, few }) => pairs === undefined && few === undefined);
  const isPass = deciding.length > 0 && deciding.every(({ status }) => status === 'pass');
  return { status: isPass ? 'pass' : 'inconclusive', cause: null };
}
