/**
 * The value of the last of some flags in an engine's arguments, written `--flag value` or `--flag=value`. Null if none
 * is there.
 */
export function flagValue(args: readonly string[], ...flags: readonly string[]): string | null {
  let found: string | null = null;
  args.forEach((arg, i) => {
    for (const flag of flags) {
      if (arg.startsWith(`${flag}=`)) found = arg.slice(flag.length + 1);
      else if (arg === flag) found = args[i + 1] ?? '';
    }
  });
  return found;
}

/** The flags that set the engine's longest context. */
export const CONTEXT_FLAGS = ['--max-model-len', '--context-length', '--max-total-tokens'] as const;

/** An engine's memory settings by the policy's arguments. */
export interface EngineSettings {
  /** The share of an accelerator's memory that the engine uses, 0..1. */
  readonly share: number;
  readonly cacheBytesPerNumber: number;
  /** The longest context that is set, tokens. Null if none is set. */
  readonly context: number | null;
  /** Whether the engine must compute in 16-bit floats, whatever the dtype of the weights. */
  readonly isHalf: boolean;
}

/** vLLM's default. SGLang's is close to it. */
const SHARE = 0.9;

/** Reads the memory settings of `args`, for vLLM and SGLang. */
export function engineSettings(args: readonly string[]): EngineSettings {
  const share = Number(flagValue(args, '--gpu-memory-utilization', '--mem-fraction-static') ?? SHARE);
  const context = Number(flagValue(args, ...CONTEXT_FLAGS) ?? Number.NaN);
  return {
    share: share > 0 && share <= 1 ? share : SHARE,
    cacheBytesPerNumber: flagValue(args, '--kv-cache-dtype')?.startsWith('fp8') === true ? 1 : 2,
    context: Number.isInteger(context) && context > 0 ? context : null,
    isHalf: ['half', 'float16'].includes(flagValue(args, '--dtype') ?? ''),
  };
}
