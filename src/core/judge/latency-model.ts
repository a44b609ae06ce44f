/** How long a call should take, µs: a fixed part and a part for each token. */
export interface LatencyModel {
  readonly fixedUs: number;
  readonly perPromptTokenUs: number;
  readonly perOutputTokenUs: number;
}

export interface LatencySample {
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly us: number;
}

/** The guess if there is no history. */
const UNKNOWN: LatencyModel = { fixedUs: 1_000_000, perPromptTokenUs: 0, perOutputTokenUs: 20_000 };

const ROUNDS = 12;
/** Relative deviations beyond this count less (Huber). */
const HUBER = 0.5;
const SWEEPS = 60;

/** The predicted time, µs, never 0. */
export function predict(model: LatencyModel, promptTokens: number, outputTokens: number): number {
  return Math.max(1, model.fixedUs + model.perPromptTokenUs * promptTokens + model.perOutputTokenUs * outputTokens);
}

/**
 * Fits non-negative coefficients to relative errors, by reweighted least squares with Huber weights and coordinate
 * descent. At the end all coefficients are scaled so that the mean log deviation is 0.
 */
export function fitLatency(samples: readonly LatencySample[]): LatencyModel {
  if (samples.length < 20) return UNKNOWN;
  let model = start(samples);
  for (let round = 0; round < ROUNDS; round++) model = improve(model, samples);
  let sum = 0;
  for (const { promptTokens, outputTokens, us } of samples) {
    sum += Math.max(-2, Math.min(2, Math.log(us / predict(model, promptTokens, outputTokens))));
  }
  const scale = Math.exp(sum / samples.length);
  return {
    fixedUs: model.fixedUs * scale,
    perPromptTokenUs: model.perPromptTokenUs * scale,
    perOutputTokenUs: model.perOutputTokenUs * scale,
  };
}

function start(samples: readonly LatencySample[]): LatencyModel {
  const logs = samples.reduce((sum, { us }) => sum + Math.log(us), 0) / samples.length;
  return { fixedUs: Math.exp(logs), perPromptTokenUs: 0, perOutputTokenUs: 0 };
}

function improve(model: LatencyModel, samples: readonly LatencySample[]): LatencyModel {
  // Normal equations of the three columns 1, prompt, output.
  const a = new Float64Array(9);
  const b = new Float64Array(3);
  for (const { promptTokens, outputTokens, us } of samples) {
    const predicted = predict(model, promptTokens, outputTokens);
    const error = Math.abs(Math.log(us / predicted));
    const weight = Math.min(1, HUBER / Math.max(error, 1e-9)) / (predicted * us);
    const x = [1, promptTokens, outputTokens] as const;
    for (let i = 0; i < 3; i++) {
      const wx = weight * (x[i] as number);
      b[i] = (b[i] as number) + wx * us;
      for (let j = 0; j < 3; j++) a[i * 3 + j] = (a[i * 3 + j] as number) + wx * (x[j] as number);
    }
  }
  const found = solve(a, b, [model.fixedUs, model.perPromptTokenUs, model.perOutputTokenUs]);
  return { fixedUs: found[0], perPromptTokenUs: found[1], perOutputTokenUs: found[2] };
}

/** Non-negative least squares by coordinate descent. */
function solve(a: Float64Array, b: Float64Array, begin: readonly [number, number, number]): [number, number, number] {
  const x: [number, number, number] = [...begin];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let i = 0; i < 3; i++) {
      const own = a[i * 3 + i] as number;
      if (own === 0) continue;
      let rest = b[i] as number;
      for (let j = 0; j < 3; j++) if (j !== i) rest -= (a[i * 3 + j] as number) * (x[j] as number);
      x[i] = Math.max(0, rest / own);
    }
  }
  return x;
}
