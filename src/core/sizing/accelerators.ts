/** Properties of an accelerator that the price list does not have. */
export interface Accelerator {
  /** CUDA compute capability. It decides in which dtypes the accelerator computes. */
  readonly capability: number;
  /** Bytes per second between memory and chip. They bound the speed of decoding. */
  readonly bytesPerSecond: number;
}

/**
 * By the instance type, whose name contains the accelerator. Bandwidths and capabilities as NVIDIA's data sheets give
 * them: T4, L4, A10 (the A10G has the same memory), L40S, A100 80 GB SXM, H100 SXM, H200, B200, RTX PRO 6000 Blackwell
 * Server Edition.
 */
const ACCELERATORS: Readonly<Record<string, Accelerator>> = {
  'nvidia-t4': { capability: 7.5, bytesPerSecond: 320e9 },
  'nvidia-l4': { capability: 8.9, bytesPerSecond: 300e9 },
  'nvidia-a10g': { capability: 8.6, bytesPerSecond: 600e9 },
  'nvidia-l40s': { capability: 8.9, bytesPerSecond: 864e9 },
  'nvidia-a100': { capability: 8.0, bytesPerSecond: 2_039e9 },
  'nvidia-h100': { capability: 9.0, bytesPerSecond: 3_350e9 },
  'nvidia-h200': { capability: 9.0, bytesPerSecond: 4_800e9 },
  'nvidia-b200': { capability: 10.0, bytesPerSecond: 8_000e9 },
  'nvidia-rtx-pro-6000': { capability: 12.0, bytesPerSecond: 1_597e9 },
};

/** The accelerator of an instance type. Null if it is not in the table. */
export function acceleratorOf(instanceType: string): Accelerator | null {
  return ACCELERATORS[instanceType] ?? null;
}
