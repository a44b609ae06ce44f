import { BASIC_METRICS, FORM_METRICS, isShare } from '../policy/judge.ts';
import type { JudgePolicy } from '../policy/judge.ts';
import { LevelTest, rhoAfter } from '../stats/level.ts';
import type { Drift } from '../stats/level.ts';
import { usualNoise } from './comparison.ts';
import { STEP_AT, WIDE } from './error-rates.ts';
import { LONG_MINUTES } from './form-metric.ts';
import { marginsOf, PARTS } from './form-scores.ts';
import { usualOf } from './form-usual.ts';
import { AIM, ROLLOUT_MINUTES, STEP_MINUTES } from './pass-gate.ts';
import type { Profile, Size } from './profile.ts';
import { callsNeeded, grow, growByPairs, meanOf, noGrowth } from './share-course.ts';

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
  const courses = [...basicCourses(profile, policy), ...formCourses(profile, policy, callsPerMinute, stops)];
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

class SizeCourse implements Course {
  readonly #margin: number;
  readonly #variance: number;
  readonly #drift: Drift;
  readonly #rho: { readonly rollout: number; readonly step: number };
  readonly #rollout = new LevelTest();
  #step = new LevelTest();
  #open = 0;

  constructor(name: Size, margin: number, profile: Profile) {
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

/** The course of a share, of which `covered` (0..1) of the calls tell something. */
function shareCourse({ usual, covered }: { readonly usual: number; readonly covered: number }, margin: number): Course {
  const rollout = noGrowth();
  const step = noGrowth();
  return {
    minute(callsPerMinute, weight) {
      grow(rollout, callsPerMinute * covered, weight, usual, margin);
      grow(step, callsPerMinute * covered, weight, usual, margin * WIDE);
    },
    copied(pairsPerMinute) {
      growByPairs(rollout, pairsPerMinute * covered, usual, margin);
    },
    odds: () => ({ rollout: meanOf(rollout), step: meanOf(step) }),
    beginStep: () => step.fill(0),
  };
}

function basicCourses(profile: Profile, { metrics }: JudgePolicy): Course[] {
  return BASIC_METRICS.flatMap((name) => {
    const { judge, margin } = metrics[name];
    if (judge !== 'act' || profile.covered[name] < 0.1) return [];
    if (!isShare(name)) return new SizeCourse(name as Size, Math.log1p(margin), profile);
    return shareCourse({ usual: profile.shares[name as keyof Profile['shares']], covered: 1 }, margin);
  });
}

/** The courses of what is known of the form of answers, without what too few calls have to tell. */
function formCourses(profile: Profile, policy: JudgePolicy, callsPerMinute: number, stops: readonly Stop[]): Course[] {
  return FORM_METRICS.flatMap((name) => {
    const metric = policy.metrics[name];
    if (metric?.judge !== 'act') return [];
    return PARTS[name].measures.flatMap((measure) => {
      const { margin } = marginsOf(measure, metric);
      const { share: usual, covered } = usualOf(profile, measure);
      const odds = 1 / policy.errorRates.falsePass;
      const needed = callsNeeded(usual, margin, { weight: stops[0]?.weight ?? 0.5, odds });
      if (covered === null || needed > covered * callsPerMinute * LONG_MINUTES) return [];
      return shareCourse({ usual, covered }, margin);
    });
  });
}
