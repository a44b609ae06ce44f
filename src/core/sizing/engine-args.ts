/** The value of the last of some flags in an engine's arguments, written `--flag value` or `--flag=value`; null where there is none. */
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

/** The longest context that the engine is told to take. */
export const CONTEXT_FLAGS = ['--max-model-len', '--context-length', '--max-total-tokens'] as const;

/** What a policy's arguments tell an engine about memory. */
export interface EngineSettings {
  /** The share of an accelerator that the engine takes, 0..1. */
  readonly share: number;
  readonly cacheBytesPerNumber: number;
  /** The context that it is told to take; null where it is not told. */
  readonly context: number | null;
  /** Whether it is told to compute in 16-bit floats whatever the weights are stored as. */
  readonly isHalf: boolean;
}

/** vLLM's own default; SGLang's lies near it. */
const SHARE = 0.9;

/** Reads what `args` say of memory, for vLLM and SGLang alike. */
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
