import type { Architecture } from './architecture.ts';
import { parameterCount } from './facts.ts';
import type { ModelFacts } from './facts.ts';

/** The settings that decide the size of the cache of keys and values. */
export interface CacheSetting {
  /** Bytes of one number: 2, or 1 if the engine's arguments set an 8-bit cache. */
  readonly bytesPerNumber: number;
  /** Accelerators that share the model. Each keeps its part of the heads, and at least one head. */
  readonly parallel: number;
}

/** For a model without a config: the cache per token of grouped-query models of 8B parameters. */
const BYTES_PER_TOKEN_AT_8B = 131_072;

/**
 * Bytes of cache that one accelerator keeps of one call with `tokens` tokens: `2 x layers x kv_heads x head_dim x bytes x
 * tokens` (keys and values; "Efficient Memory Management for Large Language Model Serving with PagedAttention", section 3).
 * With latent attention it is `layers x (kv_lora_rank + qk_rope_head_dim) x bytes x tokens`, complete on each accelerator
 * (DeepSeek-V2, section 2.1). A sliding layer keeps at most the tokens of its window. If no config is known, it is 128 KiB
 * per token for 8B parameters and grows with the square root of the size. This is right within a half for the grouped-query
 * models of 1B to 70B.
 */
export function cacheBytes(facts: ModelFacts, tokens: number, { bytesPerNumber, parallel }: CacheSetting): number {
  const { architecture } = facts;
  if (architecture === null) return (guessPerToken(facts) * (bytesPerNumber / 2) * tokens) / parallel;
  const { layers, sliding, cacheless } = architecture;
  const near = sliding?.layers ?? 0;
  const kept = (layers - near - cacheless) * tokens + near * Math.min(tokens, sliding?.tokens ?? 0);
  return kept * numbersPerToken(architecture, parallel) * bytesPerNumber;
}

/** Numbers that one layer keeps of one token on one of `parallel` accelerators. */
function numbersPerToken({ latent, kvHeads, headDim }: Architecture, parallel: number): number {
  return latent ?? 2 * Math.max(1, Math.ceil(kvHeads / parallel)) * headDim;
}

function guessPerToken(facts: ModelFacts): number {
  const parameters = parameterCount(facts) ?? (facts.fileBytes ?? 0) / 2;
  return BYTES_PER_TOKEN_AT_8B * Math.sqrt(parameters / 8e9);
}

/** The most tokens of one call whose cache fits in `bytes`, in steps of 1024. 0 if 1024 do not fit. */
export function tokensIn(facts: ModelFacts, bytes: number, setting: CacheSetting): number {
  const most = facts.architecture?.maxContext ?? 131_072;
  let [low, high] = [0, Math.ceil(most / 1024)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (cacheBytes(facts, Math.min(most, middle * 1024), setting) <= bytes) low = middle;
    else high = middle - 1;
  }
  return Math.min(most, low * 1024);
}
