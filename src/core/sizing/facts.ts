import { at, count } from '../json.ts';
import type { Adapter } from './adapter.ts';
import type { Architecture } from './architecture.ts';

/** How a model's weights are quantised, from `quantization_config` of its config. */
export interface Quantization {
  /** `quant_method` in lower case: `gptq`, `awq`, `bitsandbytes`, `compressed-tensors`, `mxfp4`, `fp8`, ... */
  readonly method: string;
  /** Bits of one weight. Null if neither the method nor the config has them. */
  readonly bits: number | null;
  /** How many weights share one scale. Null if it is not known. */
  readonly groupSize: number | null;
}

/**
 * The facts about a model that decide which instance it needs. What is not known is null, and is reported as not known.
 */
export interface ModelFacts {
  readonly model: string;
  /** The Hub's `pipeline_tag`. */
  readonly task: string | null;
  /** Parameters by the dtype of their tensors, as the Hub counts them. Packed weights are counted one by one. */
  readonly parameters: Readonly<Record<string, number>> | null;
  /** Bytes of the weights' files. Null if they were not asked for. */
  readonly fileBytes: number | null;
  readonly quantization: Quantization | null;
  /** Null if the config was missing or could not be read. */
  readonly architecture: Architecture | null;
  /** The file that llama.cpp would load. Null unless the repository has GGUF weights only. */
  readonly gguf: { readonly path: string } | null;
  /** The adapter that the repository holds; the other facts are those of its base then. Absent: it is no adapter. */
  readonly adapter?: Adapter;
  /** Absent: not known. */
  readonly access?: ModelAccess;
}

/** Who may use a model's files, and what is in them besides weights. An adapter and its base count together. */
export interface ModelAccess {
  /** The repositories that are gated, and that are private. */
  readonly gated: readonly string[];
  readonly private: readonly string[];
  /** Those of the gated ones whose files this token may not read. */
  readonly shut: readonly string[];
  /** Whether its config names Python of the repository (`auto_map`), which an engine must be allowed to run. */
  readonly hasCode: boolean;
}

/** What a model does, as far as its memory depends on it. */
export type ModelKind = 'generates' | 'embeds' | 'other';

const GENERATES = new Set([
  'text-generation',
  'text2text-generation',
  'conversational',
  'image-text-to-text',
  'video-text-to-text',
  'audio-text-to-text',
  'any-to-any',
]);
const EMBEDS = new Set([
  'feature-extraction',
  'sentence-similarity',
  'text-classification',
  'token-classification',
  'zero-shot-classification',
  'text-ranking',
  'fill-mask',
]);

/** Whether a model writes text (with a cache), embeds or classifies (without a cache), or does something else. */
export function kindOf({ task, architecture, gguf }: Pick<ModelFacts, 'task' | 'architecture' | 'gguf'>): ModelKind {
  if (task !== null && EMBEDS.has(task)) return 'embeds';
  if (task !== null && GENERATES.has(task)) return 'generates';
  if (task === null && (gguf !== null || architecture?.isDecoder === true)) return 'generates';
  return 'other';
}

/** Parameters of all dtypes together. Null if the Hub does not count them. */
export function parameterCount({ parameters }: Pick<ModelFacts, 'parameters'>): number | null {
  if (parameters === null) return null;
  return Object.values(parameters).reduce((sum, count) => sum + count, 0);
}

/**
 * Reads `quantization_config` of transformers' config.json: the model's own, else its text part's. Null if there is
 * none.
 */
export function readQuantization(config: unknown): Quantization | null {
  const given = at(config, 'quantization_config') ?? at(at(config, 'text_config'), 'quantization_config');
  if (typeof given !== 'object' || given === null) return null;
  const named = at(given, 'quant_method');
  const method = typeof named === 'string' ? named.toLowerCase() : 'unknown';
  const [group] = Object.values((at(given, 'config_groups') ?? {}) as Readonly<Record<string, unknown>>);
  const weights = at(group, 'weights');
  const bits = count(at(given, 'bits')) ?? count(at(weights, 'num_bits')) ?? bitsOf(method, given);
  const groupSize = count(at(given, 'group_size')) ?? count(at(weights, 'group_size'));
  return { method, bits, groupSize };
}

function bitsOf(method: string, given: unknown): number | null {
  if (method === 'mxfp4' || at(given, 'load_in_4bit') === true) return 4;
  if (method === 'gptq' || method === 'awq') return 4;
  if (method.includes('fp8') || method === 'fbgemm_fp8' || at(given, 'load_in_8bit') === true) return 8;
  return null;
}
