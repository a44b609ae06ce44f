import type { BusiestDemand } from './busiest-demand.ts';
import { cacheBytes, tokensIn } from './cache.ts';
import { flagValue } from './engine-args.ts';
import type { EngineSettings } from './engine-args.ts';
import { parameterCount } from './facts.ts';
import type { ModelFacts } from './facts.ts';
import { activationBytes, contextNeeded, CPU_ENGINE_BYTES, ENGINE_BYTES, MOST_SLOTS, tokensOfCall } from './memory.ts';
import type { Offer } from './offer.ts';
import { weightsOf } from './weights.ts';

/** How a model fits in the memory of one instance. All bytes are for one of its accelerators. */
export interface Hold {
  /** What the engine may use: its share of the listed memory. A GB is read as 10^9 bytes, because no card has less. */
  readonly usable: number;
  /** Weights, activations and the engine itself. */
  readonly fixed: number;
  /** What is left for caches. */
  readonly room: number;
  readonly parallel: number;
  /** Calls whose caches fit at once, by the tokens of the demand's calls. Null for models without a cache. */
  readonly calls: number | null;
  /** The context, in tokens, to set for the engine if the model's own does not fit. Null if none needs to be set. */
  readonly maxContext: number | null;
  /** Why the model does not fit, with the figures. Null if it fits. */
  readonly why: string | null;
}

const PARALLEL_FLAGS = ['--tensor-parallel-size', '-tp', '--tp', '--tp-size'] as const;

/** The share of `room` that a set context may use, because an engine does not start if the context does not fit. */
const SURE = 0.9;

/**
 * How many accelerators share the model, or why they cannot. The attention heads must divide evenly, else vLLM refuses.
 */
export function parallelOf(offer: Offer, facts: ModelFacts, args: readonly string[]): number | string {
  const given = Number(flagValue(args, ...PARALLEL_FLAGS) ?? Number.NaN);
  if (Number.isInteger(given) && given > 0) return given;
  if (flagValue(args, '--data-parallel-size', '--dp', '-dp') !== null || offer.accelerator === 'cpu') return 1;
  const { numAccelerators } = offer;
  const heads = facts.architecture?.heads ?? null;
  // llama.cpp puts whole layers on each accelerator.
  if (facts.gguf !== null || heads === null || heads % numAccelerators === 0) return Math.max(1, numAccelerators);
  return `${heads} attention heads do not divide by ${numAccelerators} accelerators`;
}

/** How a model fits in an instance with accelerators. Null if its size or the instance's memory is not known. */
export function holdOn(
  offer: Offer,
  facts: ModelFacts,
  {
    demand,
    settings,
    parallel,
  }: { readonly demand: BusiestDemand; readonly settings: EngineSettings; readonly parallel: number },
): Hold | null {
  const weights = weightsOf(facts);
  if (weights === null || offer.gpuMemoryGb === null) return null;
  const usable = ((offer.gpuMemoryGb * 1e9) / Math.max(1, offer.numAccelerators)) * settings.share;
  const fixed = weights.bytes / parallel + activationBytes(facts, parallel) + ENGINE_BYTES;
  const room = usable - fixed;
  const context = contextNeeded(facts, demand, settings);
  const base = { usable, fixed, room, parallel, calls: null, maxContext: null };
  if (room < 0) return { ...base, why: `needs ${gb(fixed)}, ${gb(usable)} usable${each(parallel)}` };
  if (context === null) return { ...base, why: null };
  const setting = { bytesPerNumber: settings.cacheBytesPerNumber, parallel };
  const longest = cacheBytes(facts, context, setting);
  if (longest > room) {
    return {
      ...base,
      calls: 0,
      why: `${gb(fixed + longest)} with ${context} tokens, ${gb(usable)} usable${each(parallel)}`,
    };
  }
  const own = facts.architecture?.maxContext ?? null;
  const most = tokensIn(facts, room * SURE, setting);
  // llama.cpp has slots, and each has room for the whole context.
  const hasSlots = facts.gguf !== null;
  const one = hasSlots ? longest : cacheBytes(facts, tokensOfCall(demand, context), setting);
  return {
    ...base,
    calls: one === 0 ? null : Math.min(Math.floor(room / one), hasSlots ? MOST_SLOTS : Number.POSITIVE_INFINITY),
    // The model's own context is known only from its config. Without a config, the engine sets it.
    maxContext: settings.context === null && own !== null && most < own ? Math.max(context, most) : null,
    why: null,
  };
}

/** How a small model fits in the memory of a machine without accelerators. TEI computes in 32 bits on CPUs. */
export function holdOnCpu(offer: Offer, facts: ModelFacts): Hold | null {
  const parameters = parameterCount(facts);
  if (parameters === null || offer.memoryGb === null) return null;
  const usable = offer.memoryGb * 1e9;
  const fixed = parameters * 4 + activationBytes(facts, 1) * 2 + CPU_ENGINE_BYTES;
  const why = fixed <= usable ? null : `needs ${gb(fixed)}, has ${gb(usable)}`;
  return { usable, fixed, room: usable - fixed, parallel: 1, calls: null, maxContext: null, why };
}

function each(parallel: number): string {
  return parallel > 1 ? ' on each' : '';
}

/** GB of 10^9 bytes. */
function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
