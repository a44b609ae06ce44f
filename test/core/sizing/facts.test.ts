import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { readArchitecture } from '../../../src/core/sizing/architecture.ts';
import { factsByName } from '../../../src/core/sizing/by-name.ts';
import { cacheBytes, tokensIn } from '../../../src/core/sizing/cache.ts';
import { engineSettings } from '../../../src/core/sizing/engine-args.ts';
import { kindOf, readQuantization } from '../../../src/core/sizing/facts.ts';
import { SHAPES, configOf, factsOf } from '../../support/shapes.ts';

describe('a config', () => {
  const base = configOf([26, 8, 4, 2_304, 9_216, 256_000]);

  it('of a multimodal model is that of its language part', () => {
    for (const config of [{ text_config: base }, { thinker_config: { text_config: base } }, { llm_config: base }]) {
      assert.deepEqual([readArchitecture(config)?.layers, readArchitecture(config)?.kvHeads], [26, 4]);
    }
  });

  it('may use the names of older families', () => {
    const gpt2 = readArchitecture({ n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1_024, vocab_size: 50_257 });
    assert.deepEqual([gpt2?.kvHeads, gpt2?.headDim, gpt2?.intermediate, gpt2?.maxContext], [12, 64, 3_072, 1_024]);
    assert.equal(readArchitecture({ n_layer: 32, n_head: 71, hidden_size: 4_544, multi_query: true })?.kvHeads, 1);
  });

  const windows: [string, object, object | null, number][] = [
    ['none', {}, null, 0],
    ['one that is not used', { sliding_window: 4_096, use_sliding_window: false }, null, 0],
    ['one on all layers (Mistral 0.1)', { sliding_window: 4_096 }, { layers: 26, tokens: 4_096 }, 0],
    [
      'one on every other layer (Gemma 2)',
      { sliding_window: 4_096, model_type: 'gemma2' },
      { layers: 13, tokens: 4_096 },
      0,
    ],
    [
      'one on five of six (Gemma 3)',
      { sliding_window: 512, sliding_window_pattern: 6 },
      { layers: 22, tokens: 512 },
      0,
    ],
    [
      'linear attention on three of four',
      { layer_types: Array.from({ length: 26 }, (_, i) => (i % 4 === 3 ? 'full_attention' : 'linear_attention')) },
      null,
      20,
    ],
  ];
  for (const [title, more, sliding, cacheless] of windows) {
    it(`has windows: ${title}`, () => {
      const found = readArchitecture({ ...base, ...more });
      assert.deepEqual([found?.sliding, found?.cacheless], [sliding, cacheless]);
    });
  }

  it('of any shape is read or is null, and never makes sizing throw or hang', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(1e308, 2 ** 53 - 1, -1));
    const keys = [
      'num_hidden_layers',
      'num_attention_heads',
      'hidden_size',
      'head_dim',
      'max_position_embeddings',
      'sliding_window',
    ];
    const record = fc.record(Object.fromEntries(keys.map((key) => [key, number])), { requiredKeys: [] });
    fc.assert(
      fc.property(fc.oneof(fc.anything(), record), (config) => {
        const facts = factsOf('a/b', { BF16: 1e9 }, null, { architecture: readArchitecture(config) });
        readQuantization(config);
        const setting = { bytesPerNumber: 2, parallel: 1 };
        assert.ok(tokensIn(facts, 1e9, setting) >= 0);
        assert.ok(!Number.isNaN(cacheBytes(facts, 8_192, setting)));
      }),
    );
  });
});

describe('a quantisation', () => {
  const rows: [object, string, number | null, number | null][] = [
    [{ quant_method: 'gptq', bits: 8, group_size: 32 }, 'gptq', 8, 32],
    [{ quant_method: 'AWQ' }, 'awq', 4, null],
    [{ quant_method: 'bitsandbytes', load_in_4bit: true }, 'bitsandbytes', 4, null],
    [{ quant_method: 'fp8' }, 'fp8', 8, null],
    [
      { quant_method: 'compressed-tensors', config_groups: { group_0: { weights: { num_bits: 4, group_size: 128 } } } },
      'compressed-tensors',
      4,
      128,
    ],
    [{ bits: 3 }, 'unknown', 3, null],
  ];
  for (const [given, method, bits, groupSize] of rows) {
    it(`is read: ${JSON.stringify(given)}`, () => {
      assert.deepEqual(readQuantization({ quantization_config: given }), { method, bits, groupSize });
      assert.deepEqual(readQuantization({ text_config: { quantization_config: given } }), { method, bits, groupSize });
    });
  }

  it('is null if the config has none', () => {
    for (const config of [null, {}, { quantization_config: null }]) assert.equal(readQuantization(config), null);
  });
});

describe('a name', () => {
  const rows: [string, number | null][] = [
    ['meta-llama/Llama-3.1-8B-Instruct', 8e9],
    ['Qwen/Qwen2.5-0.5B', 0.5e9],
    ['mistralai/Mixtral-8x7B-v0.1', 56e9],
    ['google/gemma-2-2b-it', 2e9],
    ['openai/gpt-oss-120b', 120e9],
    ['BAAI/bge-large-en-v1.5', null],
    ['org8b/name', null],
    ['org/base-v2', null],
  ];
  for (const [model, parameters] of rows) {
    it(`${model} gives ${parameters === null ? 'no size' : `${parameters / 1e9} B`}`, () => {
      assert.deepEqual(factsByName(model)?.parameters ?? null, parameters === null ? null : { BF16: parameters });
    });
  }
});

it('arguments of an engine are read in both spellings, and invalid values are ignored', () => {
  const args = [
    '--gpu-memory-utilization=0.8',
    '--kv-cache-dtype',
    'fp8_e5m2',
    '--max-model-len',
    '4096',
    '--dtype=half',
  ];
  assert.deepEqual(engineSettings(args), { share: 0.8, cacheBytesPerNumber: 1, context: 4_096, isHalf: true });
  const none = { share: 0.9, cacheBytesPerNumber: 2, context: null, isHalf: false };
  assert.deepEqual(engineSettings(['--gpu-memory-utilization', 'much', '--max-model-len=auto']), none);
});

it('the kind of a model is decided by its task, else by its config', () => {
  assert.equal(kindOf(SHAPES.miniLm), 'embeds');
  assert.equal(kindOf(SHAPES.llama8b), 'generates');
  assert.equal(kindOf({ ...SHAPES.llama8b, task: null }), 'generates');
  assert.equal(kindOf({ ...SHAPES.llama8b, task: 'text-to-image' }), 'other');
  assert.equal(kindOf({ task: null, architecture: null, gguf: null }), 'other');
});
