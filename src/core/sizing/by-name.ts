import type { ModelFacts } from './facts.ts';

/**
 * A model's facts by its name, for use if the Hub cannot be asked. The name gives the parameters (`8B`, `0.5b` or `8x7B`). The
 * model is assumed to write text and to have BF16 weights. Null if the name has no size. For a mixture such as `8x7B` the
 * count is somewhat too high, because its experts share their attention.
 */
export function factsByName(model: string): ModelFacts | null {
  const found = /(?:^|[-_.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])/i.exec(model.split('/').at(-1) ?? '');
  if (found === null) return null;
  const parameters = Math.round(Number(found[1] ?? 1) * Number(found[2]) * 1e9);
  return {
    model,
    task: 'text-generation',
    parameters: { BF16: parameters },
    fileBytes: null,
    quantization: null,
    architecture: null,
    gguf: null,
  };
}
