import type { Accelerator } from './accelerators.ts';
import type { EngineSettings } from './engine-args.ts';
import type { ModelFacts } from './facts.ts';

/**
 * Why an accelerator cannot compute with a model's weights on vLLM or SGLang. Null if it can. The compute capabilities are
 * from vLLM's documentation (Quantization, Supported Hardware; `--dtype`): bfloat16 from 8.0 (Ampere) on; FP8 natively from
 * 8.9 (Ada) on, and with kernels that widen it from 8.0 on; MXFP4 and packed compressed-tensors from 8.0 on; AWQ and GPTQ
 * from 7.5 on.
 */
export function whyNotComputed(
  facts: ModelFacts,
  { capability }: Accelerator,
  { isHalf }: Pick<EngineSettings, 'isHalf'>,
): string | null {
  if (capability >= 8) return null;
  const method = facts.quantization?.method ?? '';
  const dtypes = Object.keys(facts.parameters ?? {});
  if (method.includes('fp8') || dtypes.some((dtype) => dtype.startsWith('F8'))) return 'has no FP8';
  if (method === 'mxfp4' || method.includes('fp4')) return 'has no MXFP4';
  if (method === 'compressed-tensors') return 'cannot unpack compressed-tensors';
  // GPTQ and AWQ models compute in the 16-bit floats with which they were made, not in BF16.
  if (method === '' && dtypes.includes('BF16') && !isHalf) return 'has no BF16; --dtype half in args avoids BF16';
  return null;
}

/** Whether an accelerator computes FP8 weights in wider numbers. They fit, but it is slower. */
export function isWidened(facts: ModelFacts, { capability }: Accelerator): boolean {
  const dtypes = Object.keys(facts.parameters ?? {});
  const isFp8 = facts.quantization?.method.includes('fp8') === true || dtypes.some((dtype) => dtype.startsWith('F8'));
  return isFp8 && capability < 8.9;
}
