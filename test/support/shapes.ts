import { readArchitecture } from '../../src/core/sizing/architecture.ts';
import type { ModelFacts } from '../../src/core/sizing/facts.ts';
import { readQuantization } from '../../src/core/sizing/facts.ts';

/** What the Hub tells of a published model: its task, its parameters by dtype, and the shape in its config.json. */
export function factsOf(
  model: string,
  parameters: Readonly<Record<string, number>> | null,
  config: object | null,
  more: Partial<ModelFacts> = {},
): ModelFacts {
  return {
    model,
    task: 'text-generation',
    parameters,
    fileBytes: null,
    quantization: readQuantization(config),
    architecture: readArchitecture(config),
    gguf: null,
    ...more,
  };
}

type Shape = readonly [
  layers: number,
  heads: number,
  kvHeads: number,
  hidden: number,
  intermediate: number,
  vocabulary: number,
];

export function configOf([layers, heads, kvHeads, hidden, intermediate, vocabulary]: Shape, more: object = {}): object {
  return {
    architectures: ['LlamaForCausalLM'],
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    hidden_size: hidden,
    intermediate_size: intermediate,
    vocab_size: vocabulary,
    max_position_embeddings: 131_072,
    ...more,
  };
}

const LLAMA_8B: Shape = [32, 32, 8, 4_096, 14_336, 128_256];
const LLAMA_70B = configOf([80, 64, 8, 8_192, 28_672, 128_256]);
const embedding = { task: 'feature-extraction' };

const gptOss = (layers: number) =>
  configOf([layers, 64, 8, 2_880, 2_880, 201_088], {
    head_dim: 64,
    sliding_window: 128,
    layer_types: Array.from({ length: layers }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention')),
    quantization_config: { quant_method: 'mxfp4' },
  });

const DEEPSEEK_V3 = configOf([61, 128, 128, 7_168, 18_432, 129_280], {
  kv_lora_rank: 512,
  qk_rope_head_dim: 64,
  max_position_embeddings: 163_840,
  quantization_config: { quant_method: 'fp8', weight_block_size: [128, 128] },
});

/** Published models from 1B to 684B, by what they are like. */
export const SHAPES = {
  llama1b: factsOf(
    'meta-llama/Llama-3.2-1B-Instruct',
    { BF16: 1_235_814_400 },
    configOf([16, 32, 8, 2_048, 8_192, 128_256]),
  ),
  llama8b: factsOf('meta-llama/Llama-3.1-8B-Instruct', { BF16: 8_030_261_248 }, configOf(LLAMA_8B)),
  // Embedding and head (2 x 128256 x 4096) and the norms stay BF16.
  llama8bFp8: factsOf(
    'RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8',
    { F8_E4M3: 6_979_321_856, BF16: 1_050_939_392 },
    configOf(LLAMA_8B, { quantization_config: { quant_method: 'compressed-tensors', format: 'float-quantized' } }),
  ),
  llama2: factsOf(
    'meta-llama/Llama-2-7b-hf',
    { F16: 6_738_415_616 },
    configOf([32, 32, 32, 4_096, 11_008, 32_000], { max_position_embeddings: 4_096 }),
  ),
  // 28 layers of 233,046,016 packed weights; embedding, head, norms and biases stay F16: together 7,615,616,512.
  qwenGptq: factsOf(
    'Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4',
    { I32: 6_525_288_448, F16: 1_090_328_064 },
    configOf([28, 28, 4, 3_584, 18_944, 152_064], {
      max_position_embeddings: 32_768,
      use_sliding_window: false,
      sliding_window: 131_072,
      quantization_config: { quant_method: 'gptq', bits: 4, group_size: 128 },
    }),
  ),
  mixtral: factsOf(
    'mistralai/Mixtral-8x7B-Instruct-v0.1',
    { BF16: 46_702_792_704 },
    configOf([32, 32, 8, 4_096, 14_336, 32_000], { max_position_embeddings: 32_768, sliding_window: null }),
  ),
  gptOss20b: factsOf('openai/gpt-oss-20b', { U8: 19_110_297_600, BF16: 1_804_459_584 }, gptOss(24)),
  gptOss120b: factsOf('openai/gpt-oss-120b', { U8: 114_661_785_600, BF16: 2_167_371_072 }, gptOss(36)),
  llama70b: factsOf('meta-llama/Llama-3.3-70B-Instruct', { BF16: 70_553_706_496 }, LLAMA_70B),
  // Gated: the card is there for everyone, config.json is not.
  llama70bGated: factsOf('meta-llama/Llama-3.3-70B-Instruct', { BF16: 70_553_706_496 }, null),
  llama405b: factsOf(
    'meta-llama/Llama-3.1-405B-Instruct',
    { BF16: 405_853_388_800 },
    configOf([126, 128, 8, 16_384, 53_248, 128_256]),
  ),
  deepseek: factsOf(
    'deepseek-ai/DeepSeek-V3',
    { F8_E4M3: 680_571_043_840, BF16: 3_918_786_560, F32: 41_555_600 },
    DEEPSEEK_V3,
  ),
  deepseekBf16: factsOf(
    'unsloth/DeepSeek-V3-bf16',
    { BF16: 684_489_830_400 },
    { ...DEEPSEEK_V3, quantization_config: null },
  ),
  miniLm: factsOf(
    'sentence-transformers/all-MiniLM-L6-v2',
    { F32: 22_713_216, I64: 512 },
    configOf([6, 12, 12, 384, 1_536, 30_522], { max_position_embeddings: 512 }),
    embedding,
  ),
  bgeLarge: factsOf(
    'BAAI/bge-large-en-v1.5',
    { F32: 335_141_888 },
    configOf([24, 16, 16, 1_024, 4_096, 30_522], { max_position_embeddings: 512 }),
    embedding,
  ),
  // 7.11 B parameters in F16 that embed: no CPU serves them in bearable time.
  e5Mistral: factsOf(
    'intfloat/e5-mistral-7b-instruct',
    { F16: 7_110_660_096 },
    configOf([32, 32, 8, 4_096, 14_336, 32_000], { max_position_embeddings: 32_768, sliding_window: 4_096 }),
    embedding,
  ),
  gguf: factsOf('bartowski/Llama-3.2-3B-Instruct-GGUF', null, null, {
    fileBytes: 2_019_377_696,
    gguf: { path: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf' },
  }),
} as const;
