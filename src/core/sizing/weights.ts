import { loadedRank } from './adapter.ts';
import { parameterCount } from './facts.ts';
import type { ModelFacts, Quantization } from './facts.ts';

const BITS: Readonly<Record<string, number>> = {
  F64: 64,
  C64: 64,
  I64: 64,
  U64: 64,
  F32: 32,
  I32: 32,
  U32: 32,
  F16: 16,
  BF16: 16,
  I16: 16,
  U16: 16,
  I8: 8,
  U8: 8,
  BOOL: 8,
  F6_E3M2: 6,
  F6_E2M3: 6,
  F4: 4,
  FP4: 4,
};

/** Containers into which several narrow weights are packed. */
const CONTAINERS = new Set(['I32', 'U32', 'I16', 'U16', 'I8', 'U8']);

/** The memory of the weights, with the arithmetic in words. */
export interface Weights {
  readonly bytes: number;
  /** Such as `8.03 B BF16 x 2 bytes`. */
  readonly arithmetic: string;
}

/**
 * The memory of the weights: the parameters of each dtype times its bytes, as they are stored. (vLLM loads F32 in half of
 * that. The estimate does not rely on it.)
 *
 * For quantised models the Hub counts the weights that are packed into I32 or U8 one by one. Before autumn 2025 it counted
 * the containers. The bytes of the files are right in both cases, so they are used if they are known. Else the bits per weight
 * and the scales are counted: mxfp4 has 8 bits for 32 weights, nvfp4 8 for 16, bitsandbytes 32 for 64, others 16 for a group
 * (of 128 if the config does not say). Null if the Hub has neither parameters nor files.
 */
export function weightsOf(facts: ModelFacts): Weights | null {
  const own = ownWeights(facts);
  const { adapter } = facts;
  if (own === null || adapter === undefined) return own;
  // vLLM keeps room for an adapter of the rank that it is told, which is the next in its list.
  const bytes = Math.ceil((adapter.bytes ?? 0) * (loadedRank(adapter.rank) / Math.max(1, adapter.rank)));
  return { bytes: own.bytes + bytes, arithmetic: `${own.arithmetic}, and ${(bytes / 1e9).toFixed(2)} GB of adapter` };
}

function ownWeights(facts: ModelFacts): Weights | null {
  const { parameters, fileBytes, quantization, gguf } = facts;
  if (gguf !== null) return fileBytes === null ? null : { bytes: fileBytes, arithmetic: `the file ${gguf.path}` };
  if (parameters === null || Object.keys(parameters).length === 0) {
    return fileBytes === null ? null : { bytes: fileBytes, arithmetic: 'its files: the Hub counts no parameters' };
  }
  if (quantization !== null && fileBytes !== null) {
    const billions = ((parameterCount(facts) ?? 0) / 1e9).toFixed(2);
    return { bytes: fileBytes, arithmetic: `its files: ${billions} B parameters, ${quantization.method}` };
  }
  const parts = Object.entries(parameters).map(([dtype, count]) => {
    const bits = storedBits(dtype, quantization);
    return { bytes: (count * bits) / 8, text: `${countText(count)} ${dtype} x ${Number((bits / 8).toFixed(3))} bytes` };
  });
  return {
    bytes: Math.ceil(parts.reduce((sum, { bytes }) => sum + bytes, 0)),
    arithmetic: parts
      .sort((a, b) => b.bytes - a.bytes)
      .map(({ text }) => text)
      .join(' + '),
  };
}

function storedBits(dtype: string, quantization: Quantization | null): number {
  const own = BITS[dtype] ?? (dtype.startsWith('F8') || dtype.endsWith('E8M0') || dtype === 'UE8' ? 8 : 32);
  if (quantization?.bits == null || quantization.bits >= 8 || !CONTAINERS.has(dtype)) return own;
  return quantization.bits + scaleBits(quantization);
}

function scaleBits({ method, groupSize }: Quantization): number {
  if (method === 'mxfp4') return 8 / 32;
  if (method.includes('nvfp4') || method === 'modelopt') return 8 / 16;
  if (method === 'bitsandbytes') return 32 / 64;
  return 16 / (groupSize ?? 128);
}

function countText(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} B`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(2)} M` : String(count);
}
