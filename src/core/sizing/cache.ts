import type { Architecture } from './architecture.ts';
import { parameterCount } from './facts.ts';
import type { ModelFacts } from './facts.ts';

/** How large the cache of keys and values is. */
export interface CacheSetting {
  /** Bytes of one number: 2 unless the engine is told to keep 8 bits. */
  readonly bytesPerNumber: number;
  /** Accelerators that share the model: each keeps its part of the heads, at least one of them. */
  readonly parallel: number;
}

/** Where no config tells: what grouped-query models of 8B keep of a token, and by how much it grows with the model. */
const BYTES_PER_TOKEN_AT_8B = 131_072;

/**
 * Bytes that one accelerator keeps of one call with so many tokens. `2 x layers x kv_heads x head_dim x bytes x tokens`
 * (keys and values; "Efficient Memory Management for Large Language Model Serving with PagedAttention", section 3); with
 * latent attention `layers x (kv_lora_rank + qk_rope_head_dim) x bytes x tokens`, whole on each accelerator (DeepSeek-V2,
 * section 2.1); a sliding layer keeps no more tokens than its window. Where no config is known, 128 KiB a token for 8B
 * parameters and with the square root of the size, as the grouped-query models of 1B to 70B have it within a half.
 */
export function cacheBytes(facts: ModelFacts, tokens: number, { bytesPerNumber, parallel }: CacheSetting): number {
  const { architecture } = facts;
  if (architecture === null) return (guessPerToken(facts) * (bytesPerNumber / 2) * tokens) / parallel;
  const { layers, sliding, cacheless } = architecture;
  const near = sliding?.layers ?? 0;
  const kept = (layers - near - cacheless) * tokens + near * Math.min(tokens, sliding?.tokens ?? 0);
  return kept * numbersPerToken(architecture, parallel) * bytesPerNumber;
}

/** Numbers that one layer keeps of one token on one of so many accelerators. */
function numbersPerToken({ latent, kvHeads, headDim }: Architecture, parallel: number): number {
  return latent ?? 2 * Math.max(1, Math.ceil(kvHeads / parallel)) * headDim;
}

function guessPerToken(facts: ModelFacts): number {
  const parameters = parameterCount(facts) ?? (facts.fileBytes ?? 0) / 2;
  return BYTES_PER_TOKEN_AT_8B * Math.sqrt(parameters / 8e9);
}

/** The most tokens, in steps of 1024, that one call may have in so many bytes of cache; 0 where not even 1024 fit. */
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
