import type { ModelFacts } from './facts.ts';

/**
 * What a model's name says of it, for when the Hub cannot be asked: `8B`, `0.5b` or `8x7B` parameters, in BF16, that write
 * text. Null where the name holds no size. (A mixture shares its attention: `8x7B` counts rather too many.)
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
