import { CONFIGS } from './model-configs.ts';

/** A model's task, as the Hub names it. */
type ModelTask =
  'text-generation' | 'feature-extraction' | 'text-classification' | 'automatic-speech-recognition' | 'text-to-image';

/** A model as the simulated Hub and router know it. */
export interface SimulatedModel {
  /** `org/name`. */
  readonly id: string;
  readonly task: ModelTask;
  /** Completes text but does not chat: providers list it under another task than their chat models. */
  readonly isBase?: true;
  /** Thinks before it answers, unless a call forbids it. */
  readonly isReasoner?: true;
  readonly parameters: number;
  /** Parameters by dtype, as the Hub counts them. Left out: all are BF16. Null: the Hub does not count them. */
  readonly dtypes?: Readonly<Record<string, number>> | null;
  /** Its `config.json`; left out: the repository has none. */
  readonly config?: object;
  /** Its `adapter_config.json`; left out: it is no adapter. */
  readonly adapter?: object;
  /** Further tags of its card. */
  readonly tags?: readonly string[];
  /** Weight files with their bytes, by their paths; left out: one `model.safetensors`. */
  readonly files?: Readonly<Record<string, number>>;
  /**
   * `gated`: everyone sees the card, but only granted users may use the model (this token is not granted). `granted`:
   * gated, and this token is granted. `closed`: even the card is refused with 403. `private`: visible to its owner
   * only.
   */
  readonly access: 'open' | 'granted' | 'gated' | 'closed' | 'private';
  /** Providers that serve it behind the router, the fastest first; empty if none does. */
  readonly providers: readonly string[];
  /** A provider's own name for the model, if it differs from the id. */
  readonly providerIds?: Readonly<Record<string, string>>;
  /** Dollars per million tokens, as the router's list shows them. */
  readonly pricing: { readonly input: number; readonly output: number };
  readonly dimensions?: number;
}

/** The models that the simulation knows by default. */
const MODELS: readonly SimulatedModel[] = [
  {
    id: 'meta-llama/Llama-3.1-8B-Instruct',
    task: 'text-generation',
    parameters: 8_030_261_248,
    access: 'open',
    providers: ['groq', 'novita', 'nscale'],
    pricing: { input: 0.05, output: 0.08 },
  },
  {
    id: 'sentence-transformers/all-MiniLM-L6-v2',
    task: 'feature-extraction',
    parameters: 22_713_728,
    access: 'open',
    providers: ['hf-inference'],
    pricing: { input: 0.01, output: 0 },
    dimensions: 384,
    dtypes: { F32: 22_713_216, I64: 512 },
  },
  {
    id: 'google/gemma-2-2b-it',
    task: 'text-generation',
    parameters: 2_614_341_888,
    access: 'granted',
    providers: ['nebius'],
    pricing: { input: 0.02, output: 0.06 },
  },
  {
    id: 'meta-llama/Llama-3.3-70B-Instruct',
    task: 'text-generation',
    parameters: 70_553_706_496,
    access: 'gated',
    providers: ['together', 'groq'],
    pricing: { input: 0.59, output: 0.79 },
  },
  {
    id: 'acme/closed-model',
    task: 'text-generation',
    parameters: 7_000_000_000,
    access: 'closed',
    providers: [],
    pricing: { input: 0.1, output: 0.1 },
  },
  {
    id: 'distilbert/distilbert-base-uncased-finetuned-sst-2-english',
    task: 'text-classification',
    parameters: 66_955_010,
    dtypes: { F32: 66_955_010 },
    access: 'open',
    providers: ['hf-inference'],
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'openai/whisper-large-v3',
    task: 'automatic-speech-recognition',
    parameters: 1_543_490_560,
    dtypes: { F16: 1_543_490_560 },
    access: 'open',
    providers: ['hf-inference', 'together'],
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'black-forest-labs/FLUX.1-schnell',
    task: 'text-to-image',
    parameters: 11_901_408_320,
    access: 'open',
    providers: ['hf-inference', 'together', 'fal-ai'],
    providerIds: { 'fal-ai': 'fal-ai/flux/schnell' },
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'mistralai/Mistral-7B-v0.3',
    task: 'text-generation',
    isBase: true,
    parameters: 7_248_023_552,
    dtypes: null,
    access: 'open',
    providers: ['together'],
    pricing: { input: 0.05, output: 0.05 },
  },
  {
    id: 'openai/gpt-oss-20b',
    task: 'text-generation',
    isReasoner: true,
    parameters: 20_914_757_184,
    // Weights that are packed two to a byte are counted individually.
    dtypes: { U8: 19_110_297_600, BF16: 1_804_459_584 },
    files: {
      'model-00000-of-00002.safetensors': 4_792_272_488,
      'model-00001-of-00002.safetensors': 4_798_702_184,
      'model-00002-of-00002.safetensors': 4_170_342_232,
    },
    access: 'open',
    providers: ['groq', 'together'],
    pricing: { input: 0.05, output: 0.2 },
  },
  {
    id: 'bartowski/Llama-3.2-3B-Instruct-GGUF',
    task: 'text-generation',
    parameters: 3_212_749_888,
    dtypes: null,
    files: {
      'Llama-3.2-3B-Instruct-Q4_K_M.gguf': 2_019_377_696,
      'Llama-3.2-3B-Instruct-Q8_0.gguf': 3_421_899_296,
      'Llama-3.2-3B-Instruct-f16.gguf': 6_433_687_776,
    },
    access: 'open',
    providers: [],
    pricing: { input: 0.02, output: 0.02 },
  },
];

const FOLDERS = { Q4_K_M: [39_969_000_000, 2_551_000_000], Q8_0: [39_806_000_000, 35_170_000_000] };

/** Repositories that are no model of their own, are in folders, or have code. */
const ODD_MODELS: readonly SimulatedModel[] = [
  {
    id: 'acme/support-lora',
    task: 'text-generation',
    parameters: 20_971_520,
    dtypes: { F32: 20_971_520 },
    adapter: {
      base_model_name_or_path: 'meta-llama/Llama-3.1-8B-Instruct',
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      r: 12,
      bias: 'none',
      modules_to_save: null,
    },
    files: { 'adapter_model.safetensors': 84_000_000 },
    access: 'open',
    providers: ['nscale'],
    pricing: { input: 0.05, output: 0.08 },
  },
  {
    id: 'unsloth/Llama-3.3-70B-Instruct-GGUF',
    task: 'text-generation',
    parameters: 70_553_706_496,
    dtypes: null,
    tags: ['base_model:quantized:meta-llama/Llama-3.3-70B-Instruct'],
    files: {
      'mmproj-F16.gguf': 900_000_000,
      ...Object.fromEntries(
        Object.entries(FOLDERS).flatMap(([name, sizes]) =>
          sizes.map((size, i) => [`${name}/Llama-3.3-70B-Instruct-${name}-0000${i + 1}-of-00002.gguf`, size]),
        ),
      ),
    },
    access: 'open',
    providers: [],
    pricing: { input: 0.59, output: 0.79 },
  },
  {
    id: 'acme/own-code-7b',
    task: 'text-generation',
    parameters: 7_000_000_000,
    config: { architectures: ['OwnForCausalLM'], model_type: 'own', auto_map: { AutoModelForCausalLM: 'own.Own' } },
    access: 'granted',
    providers: [],
    pricing: { input: 0.1, output: 0.1 },
  },
];

/** The configs of these models. */
export const DEFAULT_MODELS: readonly SimulatedModel[] = [...MODELS, ...ODD_MODELS].map((model) => {
  const config = CONFIGS[model.id];
  return config === undefined ? model : { ...model, config };
});

/** A router model name without its `:fastest`, `:cheapest`, `:preferred` or `:provider`. */
export function splitModelName(name: string): { id: string; suffix: string | undefined } {
  const colon = name.lastIndexOf(':');
  if (colon < 0) return { id: name, suffix: undefined };
  return { id: name.slice(0, colon), suffix: name.slice(colon + 1) };
}

/** The share of a model's answer that is reasoning if the call does not say, 0..1. */
export function reasoningOf(model: SimulatedModel | undefined): number {
  return model?.isReasoner === true ? 0.4 : 0;
}

/** The length of the vectors of a model that embeds. */
export function dimensionsOf(model: SimulatedModel | undefined): number {
  return model?.dimensions ?? 384;
}
