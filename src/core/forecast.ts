import { STEP_AT, WIDE } from './budget.ts';
import { usualNoise } from './comparison.ts';
import { ROLLOUT_MINUTES, STEP_MINUTES } from './gate.ts';
import type { JudgePolicy } from './policy.ts';
import type { Profile, Size } from './profile.ts';
import { LevelTest, rhoAfter } from './stats/level.ts';
import type { Wobble } from './stats/level.ts';
import { STAKES } from './stats/wealth.ts';
import { METRICS, isShare } from './verdict.ts';
import type { MetricName } from './verdict.ts';

/** How long one step will take. */
export interface ForecastStep {
  /** 1..n */
  readonly step: number;
  readonly weight: number;
  /** Until the evidence suffices for an endpoint that is as good as serverless, in the median; null: more than a week. */
  readonly minutes: number | null;
  /** Calls of both roles in that time. */
  readonly calls: number | null;
}

const WEEK_MINUTES = 7 * 24 * 60;
/** A block needs so many calls of each role. */
const BLOCK_CALLS = 10;
const SPANS = [30, 60, 120] as const;

interface Traffic {
  readonly callsPerMinute: number;
}

/** Evidence that grows as it does in the middle of all runs. */
interface Course {
  readonly name: MetricName;
  minute(callsPerMinute: number, weight: number): void;
  /** Log odds, over the rollout and in this step. */
  odds(): { readonly rollout: number; readonly step: number };
  beginStep(): void;
}

/** How long each step takes at this traffic and wobble, by the judge's own formulas with their middling values. */
export function forecast(
  profile: Profile,
  policy: JudgePolicy,
  { callsPerMinute }: Traffic,
  weights: readonly number[],
): ForecastStep[] {
  const courses = METRICS.filter((name) => policy.metrics[name].judge === 'act' && profile.covered[name] >= 0.1).map(
    (name) => (isShare(name) ? shareCourse(name, profile, policy) : sizeCourse(name as Size, profile, policy)),
  );
  return weights.map((weight, i) => {
    const beta = i === weights.length - 1 ? policy.budget.falsePassLast : policy.budget.falsePass;
    for (const course of courses) course.beginStep();
    const suffices = () =>
      courses.every((course) => {
        const { rollout, step } = course.odds();
        return rollout >= -Math.log(beta) && step >= Math.log(STEP_AT);
      });
    let minutes = 0;
    const hasBoth = callsPerMinute * weight * (1 - weight) > 0;
    const most = hasBoth ? WEEK_MINUTES : 0;
    while (minutes < most && !suffices()) {
      for (const course of courses) course.minute(callsPerMinute, weight);
      minutes++;
    }
    if (!suffices()) return { step: i + 1, weight, minutes: null, calls: null };
    return { step: i + 1, weight, minutes, calls: Math.round(minutes * callsPerMinute) };
  });
}

/** The speed margins (0.15 = 15 % slower) that could be certified in half an hour, an hour and two, from a standing start. */
export function certifiable(
  profile: Profile,
  policy: JudgePolicy,
  { callsPerMinute }: Traffic,
  weight: number,
): { readonly minutes: number; readonly margin: number }[] {
  const limit = -Math.log(policy.budget.falsePass);
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
  readonly #wobble: Wobble;
  readonly #rho: { readonly rollout: number; readonly step: number };
  readonly #rollout = new LevelTest();
  #step = new LevelTest();
  #open = 0;

  constructor(name: Size, margin: number, profile: Profile) {
    this.name = name;
    this.#margin = margin;
    this.#variance = profile.spread[name] ** 2;
    const { sigma, phi } = profile.wobble[name];
    this.#wobble = { sigma: sigma * Math.SQRT2, phi };
    const noise = usualNoise(this.#variance, profile.callsPerMinute);
    this.#rho = {
      rollout: rhoAfter(ROLLOUT_MINUTES, noise, this.#wobble, 1 / STEP_AT),
      step: rhoAfter(STEP_MINUTES, noise, this.#wobble, 1 / STEP_AT),
    };
  }

  minute(callsPerMinute: number, weight: number): void {
    this.#open++;
    const canary = callsPerMinute * weight * this.#open;
    const stable = callsPerMinute * (1 - weight) * this.#open;
    if (Math.min(canary, stable) < BLOCK_CALLS) return;
    const noise = this.#variance * (1 / canary + 1 / stable);
    this.#rollout.add(-this.#margin, noise, this.#open, this.#wobble);
    this.#step.add(-this.#margin * WIDE, noise, this.#open, this.#wobble);
    this.#open = 0;
  }

  odds() {
    return { rollout: this.#rollout.logOdds(-1, this.#rho.rollout), step: this.#step.logOdds(-1, this.#rho.step) };
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
    odds: () => ({ rollout: meanOf(rollout), step: meanOf(step) }),
    beginStep: () => step.fill(0),
  };
}

/** Adds a minute's mean growth to the logarithm of each stake's worth. */
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

function meanOf(logs: Float64Array): number {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
}
