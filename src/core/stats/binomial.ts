/**
 * Exact figures of binomial counts, by the regularised incomplete beta function (continued fraction by Lentz's method, as in
 * Press et al., Numerical Recipes, `betai`). The relative error is below 1e-9 for counts up to a million.
 */

/** The chance of at least `k` successes in `n` trials of chance `p`, 0..1. */
export function chanceOfAtLeast(k: number, n: number, p: number): number {
  if (k <= 0) return 1;
  return k > n ? 0 : incompleteBeta(p, k, n - k + 1);
}

/** The chance of at most `k` successes in `n` trials of chance `p`, 0..1. */
export function chanceOfAtMost(k: number, n: number, p: number): number {
  if (k >= n) return 1;
  return k < 0 ? 0 : incompleteBeta(1 - p, n - k, k + 1);
}

/**
 * The range of a share by `k` successes in `n` trials (Clopper and Pearson). Each end is wrong with a chance of at most
 * `alpha`, whatever the share. 0 to 1 without trials.
 */
export function shareRange(k: number, n: number, alpha: number): { readonly low: number; readonly high: number } {
  if (n === 0) return { low: 0, high: 1 };
  return {
    low: k === 0 ? 0 : solve((p) => chanceOfAtLeast(k, n, p) - alpha),
    high: k === n ? 1 : solve((p) => alpha - chanceOfAtMost(k, n, p)),
  };
}

/**
 * The two-sided sign test: the chance that the larger of two counts is at least so large if each event was as likely to fall
 * on either side. 1 without events.
 */
export function signTest(one: number, other: number): number {
  return Math.min(1, 2 * chanceOfAtLeast(Math.max(one, other), one + other, 0.5));
}

/** Where an increasing function of 0..1 crosses 0. */
function solve(f: (p: number) => number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (f(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b;
}

const [LEAST, CLOSE, MOST_TERMS] = [1e-300, 1e-14, 100_000];

function fraction(x: number, a: number, b: number): number {
  const apart = (value: number) => (Math.abs(value) < LEAST ? LEAST : value);
  let c = 1;
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m <= MOST_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / apart(1 + even * d);
    c = apart(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / apart(1 + odd * d);
    c = apart(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < CLOSE) break;
  }
  return h;
}

/** Lanczos' approximation with g = 7 and nine coefficients. `x` above 0. */
function logGamma(x: number): number {
  const [first, ...rest] = LANCZOS;
  let sum = first;
  rest.forEach((coefficient, i) => (sum += coefficient / (x + i)));
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;
