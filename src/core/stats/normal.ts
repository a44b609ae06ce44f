/**
 * The logarithm of the standard normal distribution function. The relative error is about 1e-7 in both tails (Chebyshev
 * fit of erfc as in Press et al., Numerical Recipes, `erfcc`).
 */
export function logNormalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + z / 2);
  let fit = 0.17087277;
  for (const coefficient of ERFC) fit = coefficient + t * fit;
  const logTail = Math.log(t / 2) - z * z + fit;
  return x <= 0 ? logTail : Math.log1p(-Math.exp(logTail));
}

const ERFC = [
  -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
];
