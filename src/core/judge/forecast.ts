import { isShare, METRICS } from '../policy/judge.ts';
import type { JudgePolicy, MetricName } from '../policy/judge.ts';
import { LevelTest, rhoAfter } from '../stats/level.ts';
import type { Drift } from '../stats/level.ts';
import { STAKES } from '../stats/wealth.ts';
import { usualNoise } from './comparison.ts';
import { STEP_AT, WIDE } from './error-rates.ts';
import { AIM, ROLLOUT_MINUTES, STEP_MINUTES } from './pass-gate.ts';
import type { Profile, Size } from './profile.ts';

/** How long one step will take. */
export interface ForecastStep {
  /** 1..n */
  readonly step: number;
  readonly weight: number;
  /** The median time until the evidence suffices if the endpoint is as good as serverless; null: more than a week. */
  readonly minutes: number | null;
  /** How long the step lasts then, minutes: its least duration if that is longer. */
  readonly lasts: number | null;
  /** Calls of both roles while it lasts. */
  readonly calls: number | null;
}

/** A step of a rollout: the canary's weight, and its least duration, minutes. */
export interface Stop {
  readonly weight: number;
  readonly least: number;
}

/** The stage of copies before the first step: the share of calls, and how long it lasts, minutes. */
export interface Copies {
  readonly share: number;
  readonly minutes: number;
}

const WEEK_MINUTES = 7 * 24 * 60;
/** A block needs this many calls of each role. */
const BLOCK_CALLS = 10;
const SPANS = [30, 60, 120] as const;

interface Traffic {
  readonly callsPerMinute: number;
}

/** One metric's evidence, which grows as it does in the median run. */
interface Course {
  readonly name: MetricName;
  minute(callsPerMinute: number, weight: number): void;
  /** A minute of the shadow stage. */
  copied(pairsPerMinute: number): void;
  /** Log odds, over the rollout and in this step. */
  odds(): { readonly rollout: number; readonly step: number };
  beginStep(): void;
}

/** How long each step takes at this traffic and drift: the judge's own formulas, applied to typical values. */
export function forecast(
  profile: Profile,
  policy: JudgePolicy,
  { callsPerMinute }: Traffic,
  { stops, copies }: { readonly stops: readonly Stop[]; readonly copies: Copies },
): ForecastStep[] {
  const courses = METRICS.filter((name) => policy.metrics[name].judge === 'act' && profile.covered[name] >= 0.1).map(
    (name) => (isShare(name) ? shareCourse(name, profile, policy) : sizeCourse(name as Size, profile, policy)),
  );
  for (let minute = 0; minute < copies.minutes; minute++) {
    for (const course of courses) course.copied(callsPerMinute * copies.share);
  }
  return stops.map(({ weight, least }, i) => {
    const beta = i === stops.length - 1 ? policy.errorRates.falsePassLast : policy.errorRates.falsePass;
    for (const course of courses) course.beginStep();
    const suffices = () =>
      courses.every((course) => {
        const { rollout, step } = course.odds();
        return rollout >= -Math.log(beta) && step >= Math.log(STEP_AT);
      });
    const most = callsPerMinute * weight * (1 - weight) > 0 ? WEEK_MINUTES : 0;
    let minutes: number | null = suffices() ? 0 : null;
    let lasts = 0;
    for (; lasts < most && (minutes === null || lasts < least); lasts++) {
      for (const course of courses) course.minute(callsPerMinute, weight);
      if (minutes === null && suffices()) minutes = lasts + 1;
    }
    if (minutes === null) return { step: i + 1, weight, minutes, lasts: null, calls: null };
    lasts = Math.max(lasts, least);
    return { step: i + 1, weight, minutes, lasts, calls: Math.round(lasts * callsPerMinute) };
  });
}

/** How long the copies and all steps last together, minutes; null if a step takes more than a week. */
export function totalMinutes(steps: readonly ForecastStep[], copies: Copies): number | null {
  let total = copies.minutes;
  for (const { lasts } of steps) {
    if (lasts === null) return null;
    total += lasts;
  }
  return total;
}

/**
 * The speed margins (0.15 = 15 % slower) that could be certified in 30, 60 and 120 minutes, without earlier evidence.
 */
export function certifiable(
  profile: Profile,
  policy: JudgePolicy,
  { callsPerMinute }: Traffic,
  weight: number,
): { readonly minutes: number; readonly margin: number }[] {
  const limit = -Math.log(policy.errorRates.falsePass);
  return SPANS.map((minutes) => {
    let [low, high] = [0, 5];
    for (let i = 0; i < 40; i++) {
      const margin = (low + high) / 2;
      const course = new SizeCourse('speed', margin, profile);
      for (let minute = 0; minute < minutes; minute++) course.minute(callsPerMinute, weight);
      if (course.odds().rollout >= limit) high = margin;
      else low = margin;
    }
    return { minutes, margin: Math.expm1(high) };
  });
}

function sizeCourse(name: Size, profile: Profile, policy: JudgePolicy): Course {
  return new SizeCourse(name, Math.log1p(policy.metrics[name].margin), profile);
}

class SizeCourse implements Course {
  readonly name: Size;
  readonly #margin: number;
  readonly #variance: number;
  readonly #drift: Drift;
  readonly #rho: { readonly rollout: number; readonly step: number };
  readonly #rollout = new LevelTest();
  #step = new LevelTest();
  #open = 0;

  constructor(name: Size, margin: number, profile: Profile) {
    this.name = name;
    this.#margin = margin;
    this.#variance = profile.spread[name] ** 2;
    const { sigma, phi } = profile.drift[name];
    this.#drift = { sigma: sigma * Math.SQRT2, phi };
    const noise = usualNoise(this.#variance, profile.callsPerMinute);
    this.#rho = {
      rollout: rhoAfter(ROLLOUT_MINUTES, noise, this.#drift, 1 / STEP_AT),
      step: rhoAfter(STEP_MINUTES, noise, this.#drift, 1 / STEP_AT),
    };
  }

  copied(pairsPerMinute: number): void {
    this.minute(2 * pairsPerMinute, 0.5);
  }

  minute(callsPerMinute: number, weight: number): void {
    this.#open++;
    const canary = callsPerMinute * weight * this.#open;
    const stable = callsPerMinute * (1 - weight) * this.#open;
    if (Math.min(canary, stable) < BLOCK_CALLS) return;
    const noise = this.#variance * (1 / canary + 1 / stable);
    this.#rollout.add(-this.#margin, noise, this.#open, this.#drift);
    this.#step.add(-this.#margin * WIDE, noise, this.#open, this.#drift);
    this.#open = 0;
  }

  odds() {
    const aim = AIM * this.#margin;
    return {
      rollout: this.#rollout.logOddsAimed(-1, this.#rho.rollout, aim),
      step: this.#step.logOddsAimed(-1, this.#rho.step, aim * WIDE),
    };
  }

  beginStep(): void {
    this.#step = new LevelTest();
    this.#open = 0;
  }
}

function shareCourse(name: MetricName, profile: Profile, policy: JudgePolicy): Course {
  const usual = profile.shares[name as keyof Profile['shares']];
  const { margin } = policy.metrics[name];
  const rollout = new Float64Array(STAKES.length);
  const step = new Float64Array(STAKES.length);
  return {
    name,
    minute(callsPerMinute, weight) {
      grow(rollout, callsPerMinute, weight, usual, margin);
      grow(step, callsPerMinute, weight, usual, margin * WIDE);
    },
    copied(pairsPerMinute) {
      growByPairs(rollout, pairsPerMinute, usual, margin);
    },
    odds: () => ({ rollout: meanOf(rollout), step: meanOf(step) }),
    beginStep: () => step.fill(0),
  };
}

/** Adds a minute's mean growth to the logarithm of each stake's wealth. */
function grow(logs: Float64Array, calls: number, weight: number, usual: number, margin: number): void {
  const guess = usual + (1 - weight) * margin;
  const worst = Math.max((1 + margin - guess) * (1 - weight), guess * weight);
  for (let i = 0; i < logs.length; i++) {
    const gain = (score: number, surprise: number) =>
      Math.log1p(((STAKES[i] as number) * -(score - guess) * surprise) / worst);
    const canary = usual * gain(1, 1 - weight) + (1 - usual) * gain(0, 1 - weight);
    const stable = usual * gain(1 + margin, -weight) + (1 - usual) * gain(margin, -weight);
    logs[i] = (logs[i] as number) + calls * (weight * canary + (1 - weight) * stable);
  }
}

/** The same for pairs; either half of a pair may score 1. */
function growByPairs(logs: Float64Array, pairs: number, usual: number, margin: number): void {
  const one = usual * (1 - usual);
  for (let i = 0; i < logs.length; i++) {
    const gain = (difference: number) => Math.log1p(((STAKES[i] as number) * (margin - difference)) / (1 + margin));
    logs[i] = (logs[i] as number) + pairs * (one * gain(1) + one * gain(-1) + (1 - 2 * one) * gain(0));
  }
}

function meanOf(logs: Float64Array): number {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
}
