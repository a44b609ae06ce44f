import type { EndpointPolicy } from '../policy/endpoint.ts';
import type { Accelerator } from './accelerators.ts';
import { kindOf } from './facts.ts';
import type { ModelFacts } from './facts.ts';

/** The engines that a policy can name. */
export type NamedEngine = NonNullable<EndpointPolicy['engine']>;

/**
 * The engine of a policy. If the policy names none, it is the engine for the kind of model: TEI for embeddings, llama.cpp for
 * GGUF, else vLLM. If the policy names an image but no engine, the engine is vLLM.
 */
export function engineFor({ engine, image }: Pick<EndpointPolicy, 'engine' | 'image'>, facts: ModelFacts): NamedEngine {
  if (engine !== undefined) return engine;
  if (image !== undefined) return 'vLLM';
  if (facts.gguf !== null) return 'llamacpp';
  return kindOf(facts) === 'embeds' ? 'tei' : 'vLLM';
}

const VLLM_IMAGE = 'vllm/vllm-openai:v0.23.0';
const TEI_IMAGE = 'ghcr.io/huggingface/text-embeddings-inference';
const TEI_VERSION = '1.9';
/** TEI has an image for each architecture (its README, "Docker Images"), by compute capability. */
const TEI_TAGS: ReadonlyMap<number, string> = new Map([
  [7.5, 'turing-'],
  [8.0, ''],
  [8.6, '86-'],
  [8.9, '89-'],
  [9.0, 'hopper-'],
]);

/** The container image of an engine if the policy names none. Null if upshift knows none for it. */
export function imageFor(engine: NamedEngine, accelerator: string, card: Accelerator | null): string | null {
  if (engine === 'vLLM') return VLLM_IMAGE;
  if (engine !== 'tei') return null;
  const tag = accelerator === 'cpu' ? 'cpu-' : card === null ? undefined : TEI_TAGS.get(card.capability);
  return tag === undefined ? null : `${TEI_IMAGE}:${tag}${TEI_VERSION}`;
}
