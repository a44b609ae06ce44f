import { at, count } from '../json.ts';

/** The properties of a transformer that decide the size of its cache and of its activations. */
export interface Architecture {
  readonly layers: number;
  readonly heads: number;
  /** Fewer than `heads` with grouped queries. */
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  /** The longest context that the model supports, tokens. Null if the config does not have it. */
  readonly maxContext: number | null;
  /**
   * With multi-head latent attention (DeepSeek): how many numbers a layer keeps of a token instead of keys and values.
   */
  readonly latent: number | null;
  /** Layers that keep only the last `tokens` of the context. The other layers keep all of it. */
  readonly sliding: { readonly layers: number; readonly tokens: number } | null;
  /** Layers whose cache does not grow with the context (linear attention, state spaces). */
  readonly cacheless: number;
  /** Whether the config's `architectures` name a model that writes text. */
  readonly isDecoder: boolean;
}

/** The keys under which multimodal models have the config of their language part. */
const NESTED = ['text_config', 'llm_config', 'language_config', 'thinker_config'];

/**
 * Reads a model's `config.json` as transformers writes it. Model families use different names for the same figure. Null if
 * it does not have the number of layers, the number of heads and the hidden size.
 */
export function readArchitecture(config: unknown): Architecture | null {
  const own = readOne(config, config);
  if (own !== null) return own;
  for (const key of NESTED) {
    const nested = at(config, key);
    const found = readOne(nested, config) ?? readOne(at(nested, 'text_config'), config);
    if (found !== null) return found;
  }
  return null;
}

function readOne(config: unknown, top: unknown): Architecture | null {
  const first = (...keys: readonly string[]) =>
    keys.map((key) => count(at(config, key))).find((n) => n !== null) ?? null;
  const layers = first('num_hidden_layers', 'n_layer', 'n_layers', 'num_layers');
  const heads = first('num_attention_heads', 'n_head', 'n_heads');
  const hidden = first('hidden_size', 'n_embd', 'd_model', 'dim');
  if (layers === null || heads === null || hidden === null) return null;
  const isMultiQuery = at(config, 'multi_query') === true;
  const latentRank = first('kv_lora_rank');
  const names = at(top, 'architectures');
  return {
    layers,
    heads,
    kvHeads: first('num_key_value_heads', 'num_kv_heads', 'n_head_kv') ?? (isMultiQuery ? 1 : heads),
    headDim: first('head_dim') ?? Math.floor(hidden / heads),
    hidden,
    intermediate: first('intermediate_size', 'n_inner', 'ffn_dim', 'hidden_dim') ?? 4 * hidden,
    vocabulary: first('vocab_size') ?? 0,
    maxContext: first('max_position_embeddings', 'n_positions', 'max_sequence_length', 'seq_length'),
    latent: latentRank === null ? null : latentRank + (first('qk_rope_head_dim') ?? 0),
    ...windows(config, layers),
    isDecoder: Array.isArray(names) && names.some((name) => /ForCausalLM|ForConditionalGeneration/.test(String(name))),
  };
}

/** By `layer_types` if the config has it, else by the settings that model families used before it existed. */
function windows(config: unknown, layers: number): Pick<Architecture, 'sliding' | 'cacheless'> {
  const types = at(config, 'layer_types');
  const window = count(at(config, 'sliding_window')) ?? count(at(config, 'attention_chunk_size'));
  if (Array.isArray(types) && types.length === layers) {
    const near = types.filter((type) => type === 'sliding_attention' || type === 'chunked_attention').length;
    const cacheless = types.filter((type) => /linear|mamba|conv|recurrent/.test(String(type))).length;
    return { sliding: near > 0 && window !== null ? { layers: near, tokens: window } : null, cacheless };
  }
  if (window === null || at(config, 'use_sliding_window') === false) return { sliding: null, cacheless: 0 };
  const pattern = count(at(config, 'sliding_window_pattern')) ?? (at(config, 'model_type') === 'gemma2' ? 2 : null);
  const near = pattern === null ? layers : layers - Math.floor(layers / pattern);
  return { sliding: { layers: near, tokens: window }, cacheless: 0 };
}
