import type { BusiestDemand } from './busiest-demand.ts';
import { cacheBytes } from './cache.ts';
import type { EngineSettings } from './engine-args.ts';
import { kindOf } from './facts.ts';
import type { ModelFacts } from './facts.ts';
import { weightsOf } from './weights.ts';

/** One part of the memory that a model needs, with its arithmetic in words. */
interface MemoryTerm {
  readonly name: 'weights' | 'cache' | 'activations' | 'engine';
  readonly bytes: number;
  readonly arithmetic: string;
}

/** The memory that a model needs for a demand on one accelerator. */
export interface MemoryNeed {
  readonly terms: readonly MemoryTerm[];
  readonly bytes: number;
  /** The context that must fit, in tokens. Null for models without a cache. */
  readonly context: number | null;
  /** The assumptions behind the figures, in words. */
  readonly guesses: readonly string[];
}

/** CUDA context, libraries and communication buffers of one process. What vLLM logs as `non_torch_memory` is less. */
export const ENGINE_BYTES = 600e6;
/** Python, the HTTP server and the runtime of an engine on a CPU. */
export const CPU_ENGINE_BYTES = 600e6;
/** Tokens of one forward pass: the default of vLLM's `max_num_batched_tokens`. TEI's `max_batch_tokens` is 16384. */
const BATCH_TOKENS = 8_192;
const EMBED_BATCH_TOKENS = 16_384;
/** Rows of logits at once: a quarter of vLLM's `max_num_seqs` at 32 bits each, twice while sampling. */
const LOGIT_ROWS = 256;
/** The context that must fit if no calls were seen. */
const CONTEXT_UNSEEN = 8_192;
/** Calls may become longer than the longest seen by this factor. */
const LONGER = 1.25;

/** With more slots than this, llama.cpp is hardly faster. */
export const MOST_SLOTS = 16;

/** Calls at once that llama.cpp is told for a demand. It divides its context evenly among them. */
export function slotsFor({ inFlight }: BusiestDemand): number {
  return Math.max(1, Math.min(MOST_SLOTS, Math.ceil(inFlight)));
}

/** The context, in tokens, that must fit for one call. Null for models without a cache. */
export function contextNeeded(facts: ModelFacts, demand: BusiestDemand, { context }: EngineSettings): number | null {
  if (kindOf(facts) !== 'generates') return null;
  if (context !== null) return context;
  const seen = demand.longest === null ? CONTEXT_UNSEEN : Math.ceil((demand.longest * LONGER) / 1024) * 1024;
  return Math.min(seen, facts.architecture?.maxContext ?? seen);
}

/** Tokens of one call in flight: the 95th percentile of those seen, else the context that must fit. */
export function tokensOfCall(demand: BusiestDemand, context: number): number {
  return Math.min(context, demand.tokens ?? context);
}

/**
 * Activations of a forward pass, per accelerator: hidden states and the gate and up projections of a batch in 16 bits
 * (`tokens x (4 hidden + 2 intermediate) x 2`), and the logits. Accelerators share the projections and the logits. It is an
 * estimate and not a bound, because vLLM measures its own at the start. For a model without a config it is a tenth of the
 * weights, and at least 256 MB.
 */
export function activationBytes(facts: ModelFacts, parallel: number): number {
  const { architecture } = facts;
  if (architecture === null) return Math.max(256e6, (0.1 * (weightsOf(facts)?.bytes ?? 0)) / parallel);
  const { hidden, intermediate, vocabulary } = architecture;
  if (kindOf(facts) !== 'generates') return EMBED_BATCH_TOKENS * (4 * hidden + 2 * intermediate) * 2;
  const logits = (LOGIT_ROWS * vocabulary * 4 * 2) / parallel;
  return BATCH_TOKENS * (4 * hidden + (2 * intermediate) / parallel) * 2 + logits;
}

/** The memory that a model needs for a demand, term by term. Null if the size of the weights is not known. */
export function memoryNeed(facts: ModelFacts, demand: BusiestDemand, settings: EngineSettings): MemoryNeed | null {
  const weights = weightsOf(facts);
  if (weights === null) return null;
  const context = contextNeeded(facts, demand, settings);
  const activations = activationBytes(facts, 1);
  const terms: MemoryTerm[] = [
    { name: 'weights', ...weights },
    ...(context === null ? [] : [cacheTerm(facts, demand, settings, context)]),
    { name: 'activations', bytes: activations, arithmetic: activationText(facts) },
    { name: 'engine', bytes: ENGINE_BYTES, arithmetic: 'CUDA context and buffers, of each accelerator' },
  ];
  return { terms, bytes: terms.reduce((sum, { bytes }) => sum + bytes, 0), context, guesses: guessesOf(facts, demand) };
}

function cacheTerm(facts: ModelFacts, demand: BusiestDemand, settings: EngineSettings, context: number): MemoryTerm {
  const setting = { bytesPerNumber: settings.cacheBytesPerNumber, parallel: 1 };
  const hasSlots = facts.gguf !== null;
  const tokens = hasSlots ? context : tokensOfCall(demand, context);
  const calls = hasSlots ? slotsFor(demand) : Math.ceil(demand.inFlight);
  const [one, longest] = [cacheBytes(facts, tokens, setting), cacheBytes(facts, context, setting)];
  const isLongest = !hasSlots && longest >= one * calls;
  const count = isLongest
    ? `1 call of ${context} tokens`
    : `${calls} ${hasSlots ? 'slots' : 'calls'} of ${tokens} tokens`;
  const { architecture } = facts;
  if (architecture === null) {
    const each = cacheBytes(facts, 1, setting);
    return { name: 'cache', bytes: Math.max(longest, one * calls), arithmetic: `${count} x ${Math.round(each)} bytes` };
  }
  const { layers, latent, kvHeads, headDim, sliding } = architecture;
  const token =
    latent === null ? `2 x ${layers} layers x ${kvHeads} heads x ${headDim}` : `${layers} layers x ${latent} latent`;
  const near = sliding === null ? '' : `; ${sliding.layers} of the layers keep ${sliding.tokens} tokens`;
  const bytes = Math.max(longest, one * calls);
  return { name: 'cache', bytes, arithmetic: `${token} x ${setting.bytesPerNumber} bytes x ${count}${near}` };
}

function activationText({ architecture, task, gguf }: ModelFacts): string {
  if (architecture === null) return 'a tenth of the weights: the config is not known';
  const { hidden, intermediate, vocabulary } = architecture;
  if (kindOf({ architecture, task, gguf }) !== 'generates') {
    return `${EMBED_BATCH_TOKENS} tokens x (4 x ${hidden} + 2 x ${intermediate}) x 2 bytes`;
  }
  const logits = `${LOGIT_ROWS} x ${vocabulary} logits x 8 bytes`;
  return `${BATCH_TOKENS} tokens x (4 x ${hidden} + 2 x ${intermediate}) x 2 bytes + ${logits}`;
}

function guessesOf(facts: ModelFacts, demand: BusiestDemand): string[] {
  const guesses: string[] = [];
  const kind = kindOf(facts);
  if (facts.architecture === null)
    guesses.push('its config is not known: cache and activations are estimated by its size');
  if (kind === 'other') guesses.push(`it is not known what ${facts.task ?? 'its task'} needs besides the weights`);
  if (kind === 'generates' && demand.longest === null) {
    guesses.push(`no tokens were seen: a context of ${CONTEXT_UNSEEN} is assumed`);
  }
  return guesses;
}
