/**
 * Repeatable chance that is cheap enough for millions of calls: a 32-bit multiply-and-xor-shift generator, and normal
 * numbers from a table of the quantiles of 65,536 equally likely parts (so none lies beyond 4.3 standard deviations).
 */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + STEP) >>> 0;
    return mix(this.#state);
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** Mean 0, standard deviation 1. */
  normal(): number {
    return NORMALS[this.next() >>> 16] as number;
  }
}

const STEP = 0x9e3779b9;

function mix(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** The number at a place of the sequence of a seed, uniform in [0, 1), without the numbers before it. */
export function uniformAt(seed: number, place: number): number {
  return mix((seed + Math.imul(place + 1, STEP)) >>> 0) / 0x1_0000_0000;
}

/** A seed of its own for each part of a run. */
export function seedOf(...parts: readonly number[]): number {
  let seed = 0x2545f491;
  for (const part of parts) seed = new Chance(seed ^ Math.imul(part + 1, 0x9e3779b1)).next();
  return seed;
}

const NORMALS = Float64Array.from({ length: 0x1_0000 }, (_, i) => normalQuantile((i + 0.5) / 0x1_0000));

/** The inverse of the normal distribution function, to 1e-9 (the rational approximation by P. J. Acklam, 2003). */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const top = polynomial(
      q,
      -7.784894002430293e-3,
      -3.223964580411365e-1,
      -2.400758277161838,
      -2.549732539343734,
      4.374664141464968,
      2.938163982698783,
    );
    return top / polynomial(q, 7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1);
  }
  const q = p - 0.5;
  const r = q * q;
  const top = polynomial(
    r,
    -39.69683028665376,
    220.9460984245205,
    -275.9285104469687,
    138.357751867269,
    -30.66479806614716,
    2.506628277459239,
  );
  const bottom = polynomial(
    r,
    -54.47609879822406,
    161.5858368580409,
    -155.6989798598866,
    66.80131188771972,
    -13.28068155288572,
    1,
  );
  return (q * top) / bottom;
}

/** Coefficients from the highest power to the constant. */
function polynomial(x: number, ...coefficients: readonly number[]): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
