import { Chance } from './chance.ts';

/**
 * How Kayenta's NetflixACAJudge classifies one metric: a Mann-Whitney test with a Hodges-Lehmann interval, then a gate on
 * the size of the effect (spinnaker/kayenta, kayenta-judge and kayenta-mannwhitney, Apache-2.0; written anew from a
 * description of what they compute). Fed with points of a time series, not with calls.
 */
export interface KayentaParameters {
  /** Confidence of the interval. */
  readonly confidence: number;
  /** Share of the estimated shift that the interval must stay clear of. */
  readonly tolerance: number;
  readonly direction: 'increase' | 'decrease' | 'either';
  /** Where nothing is left of an array: `remove` says no data, `replace` says pass. */
  readonly nan: 'remove' | 'replace';
  readonly measure: 'meanRatio' | 'cles';
  readonly allowedDecrease: number;
  readonly allowedIncrease: number;
  readonly isCritical: boolean;
  readonly criticalDecrease: number;
  readonly criticalIncrease: number;
}

type KayentaLabel = 'Pass' | 'High' | 'Low' | 'Nodata';

interface KayentaResult {
  readonly label: KayentaLabel;
  readonly isCritical: boolean;
  /** Experiment against control: ratio of means, or the common-language effect size; NaN where undefined. */
  readonly deviation: number;
  readonly low: number;
  readonly high: number;
  readonly estimate: number;
}

const Z_TOLERANCE = 1e-4;

/** Classifies one metric. `experiment` and `control` may hold NaN for points without data. */
export function classify(
  experiment: readonly number[],
  control: readonly number[],
  parameters: KayentaParameters,
): KayentaResult {
  const x = clean(experiment, parameters);
  const y = clean(control, parameters);
  const passed = { label: 'Pass', isCritical: false, deviation: 1, low: 0, high: 0, estimate: 0 } as const;
  if (x.length === 0 || y.length === 0) {
    if (parameters.nan === 'replace') return passed;
    return { ...passed, label: 'Nodata', isCritical: parameters.isCritical };
  }
  if (isSameMultiset(x, y) || new Set([...x, ...y]).size === 1) return passed;
  const { low, high, estimate } = interval(...shaken(x, y), parameters.confidence);
  const band = parameters.tolerance * Math.abs(estimate);
  const deviation = parameters.measure === 'cles' ? commonLanguageEffect(x, y) : meanRatio(x, y);
  const isHigh =
    parameters.direction !== 'decrease' &&
    low > band &&
    (Number.isNaN(deviation) || deviation >= parameters.allowedIncrease);
  const isLow =
    parameters.direction !== 'increase' &&
    high < -band &&
    (Number.isNaN(deviation) || deviation <= parameters.allowedDecrease);
  const label = isHigh ? 'High' : isLow ? 'Low' : 'Pass';
  const isCritical =
    parameters.isCritical &&
    ((isHigh && (Number.isNaN(deviation) || deviation >= parameters.criticalIncrease)) ||
      (isLow && (Number.isNaN(deviation) || deviation <= parameters.criticalDecrease)));
  return { label, isCritical, deviation, low, high, estimate };
}

function clean(points: readonly number[], { nan }: KayentaParameters): number[] {
  if (nan === 'replace') return points.map((point) => (Number.isNaN(point) ? 0 : point));
  return points.filter((point) => !Number.isNaN(point));
}

function isSameMultiset(x: readonly number[], y: readonly number[]): boolean {
  if (x.length !== y.length) return false;
  const sorted = y.toSorted((a, b) => a - b);
  return x.toSorted((a, b) => a - b).every((value, i) => value === sorted[i]);
}

/** Two arrays that are constant each, but differ, get a trace of noise: the test needs ranks without so many ties. */
function shaken(x: readonly number[], y: readonly number[]): [readonly number[], readonly number[]] {
  if (new Set(x).size > 1 || new Set(y).size > 1) return [x, y];
  const chance = new Chance(1);
  const shake = (value: number): number => value + 1e-5 * Math.abs(value) * chance.normal();
  return [x.map(shake), y.map(shake)];
}

function meanRatio(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [mean(x), mean(y)];
  return a === 0 || b === 0 ? Number.NaN : a / b;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function commonLanguageEffect(x: readonly number[], y: readonly number[]): number {
  const [m, n] = [x.length, y.length];
  return (2 * ranks(x, y, 0).sum - m * (m + 1)) / (2 * m * n);
}

/** The sum of the ranks of x shifted down by `shift` among both, ties averaged; and the sum of t^3 - t over ties. */
function ranks(x: readonly number[], y: readonly number[], shift: number): { sum: number; ties: number } {
  const m = x.length;
  const all = new Float64Array(m + y.length);
  for (let i = 0; i < m; i++) all[i] = (x[i] as number) - shift;
  all.set(y, m);
  all.sort();
  let ties = 0;
  const rankOf = new Map<number, number>();
  for (let first = 0; first < all.length;) {
    let end = first + 1;
    while (end < all.length && all[end] === all[first]) end++;
    const size = end - first;
    ties += size ** 3 - size;
    rankOf.set(all[first] as number, (first + 1 + end) / 2);
    first = end;
  }
  let sum = 0;
  for (const value of x) sum += rankOf.get(value - shift) as number;
  return { sum, ties };
}

/** Interval and estimate of the shift of x against y. */
function interval(
  x: readonly number[],
  y: readonly number[],
  confidence: number,
): { low: number; high: number; estimate: number } {
  const [m, n] = [x.length, y.length];
  const total = m + n;
  const z = (shift: number): number => {
    const { sum, ties } = ranks(x, y, shift);
    const d = sum - (m * (m + 1)) / 2 - (m * n) / 2;
    const spread = Math.sqrt(((m * n) / 12) * (total + 1 - ties / (total * (total - 1))));
    return (d - 0.5 * Math.sign(d)) / spread;
  };
  const left = Math.min(...x) - Math.max(...y);
  const right = Math.max(...x) - Math.min(...y);
  const solve = (quantile: number): number => {
    const f = (shift: number): number => z(shift) - quantile;
    if (f(left) <= 0) return left;
    if (f(right) >= 0) return right;
    return root(f, left, right);
  };
  const quantile = upperQuantile((1 - confidence) / 2);
  return { low: solve(quantile), high: solve(-quantile), estimate: solve(0) };
}

/** For the two confidences in use. */
function upperQuantile(tail: number): number {
  return tail < 0.015 ? 2.3263478740408408 : 1.959963984540054;
}

/** Brent's method with a coarse absolute tolerance, beginning with the middle of the range as the original's does. */
function root(f: (at: number) => number, left: number, right: number): number {
  const middle = left + 0.5 * (right - left);
  const atMiddle = f(middle);
  if (atMiddle === 0) return middle;
  return atMiddle < 0 ? brent(f, left, middle) : brent(f, middle, right);
}

function brent(f: (at: number) => number, low: number, high: number): number {
  let [a, b] = [low, high];
  let [fa, fb] = [f(a), f(b)];
  let [c, fc] = [a, fa];
  let d = b - a;
  let e = d;
  for (let i = 0; i < 1_000; i++) {
    if (Math.abs(fc) < Math.abs(fb)) [a, b, c, fa, fb, fc] = [b, c, b, fb, fc, fb];
    const tolerance = 2e-14 * Math.abs(b) + Z_TOLERANCE;
    const half = 0.5 * (c - b);
    if (Math.abs(half) <= tolerance || fb === 0) return b;
    [d, e] = step([a, b, c], [fa, fb, fc], tolerance, half, d, e);
    [a, fa] = [b, fb];
    b += Math.abs(d) > tolerance ? d : half > 0 ? tolerance : -tolerance;
    fb = f(b);
    if (fb > 0 === fc > 0) {
      [c, fc] = [a, fa];
      d = b - a;
      e = d;
    }
  }
  return b;
}

type Three = readonly [number, number, number];

/** The next step of Brent's method and the one before it: by interpolation where that is safe, else by halving. */
function step([a, b, c]: Three, [fa, fb, fc]: Three, tolerance: number, half: number, d: number, e: number) {
  if (Math.abs(e) < tolerance || Math.abs(fa) <= Math.abs(fb)) return [half, half] as const;
  let s = fb / fa;
  let p: number;
  let q: number;
  if (a === c) {
    p = 2 * half * s;
    q = 1 - s;
  } else {
    q = fa / fc;
    const r = fb / fc;
    p = s * (2 * half * q * (q - r) - (b - a) * (r - 1));
    q = (q - 1) * (r - 1) * (s - 1);
  }
  if (p > 0) q = -q;
  else p = -p;
  s = e;
  if (p >= 1.5 * half * q - Math.abs(tolerance * q) || p >= Math.abs(0.5 * s * q)) return [half, half] as const;
  return [p / q, d] as const;
}
