import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHubClient } from '../../../src/huggingface/hub/hub.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';
import { serve } from '../rig.ts';
import type { Answer } from '../rig.ts';

const TOKEN = 'hf_secretsecret123';

describe('the facts of a model from the simulated Hub, read with the real library', () => {
  const describeOne = async (model: string, token: string | null = TOKEN) => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    return await createHubClient({ hubUrl: simulation.hubUrl, token }).describeModel(model);
  };

  it('have parameters by dtype, and the layers from config.json', async () => {
    const facts = await describeOne('meta-llama/Llama-3.1-8B-Instruct');
    assert.deepEqual(facts.parameters, { BF16: 8_030_261_248 });
    const { layers, kvHeads, headDim, maxContext } = facts.architecture ?? {};
    assert.deepEqual([layers, kvHeads, headDim, maxContext], [32, 8, 128, 131_072]);
    assert.deepEqual([facts.fileBytes, facts.quantization, facts.gguf], [null, null, null]);
  });

  it('have the sizes of files if the weights are quantised', async () => {
    const facts = await describeOne('openai/gpt-oss-20b');
    assert.deepEqual(facts.quantization, { method: 'mxfp4', bits: 4, groupSize: null });
    assert.equal(facts.fileBytes, 4_792_272_488 + 4_798_702_184 + 4_170_342_232);
    assert.deepEqual(facts.architecture?.sliding, { layers: 12, tokens: 128 });
  });

  it('have the counts of the safetensors headers if the Hub counts nothing', async () => {
    const facts = await describeOne('mistralai/Mistral-7B-v0.3');
    assert.deepEqual([facts.parameters, facts.fileBytes], [{ BF16: 7_248_023_552 }, null]);
  });

  it('have the file of a GGUF repository that llama.cpp loads', async () => {
    const facts = await describeOne('bartowski/Llama-3.2-3B-Instruct-GGUF');
    assert.deepEqual([facts.gguf, facts.fileBytes], [{ path: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf' }, 2_019_377_696]);
  });

  it('lack the config of a gated model, and of a granted one without a token', async () => {
    const gated = await describeOne('meta-llama/Llama-3.3-70B-Instruct');
    assert.deepEqual([gated.parameters, gated.architecture], [{ BF16: 70_553_706_496 }, null]);
    assert.equal((await describeOne('google/gemma-2-2b-it')).architecture?.layers, 26);
    assert.equal((await describeOne('google/gemma-2-2b-it', null)).architecture, null);
  });

  it('have the file in the folder of its quantisation, with all its parts', async () => {
    const facts = await describeOne('unsloth/Llama-3.3-70B-Instruct-GGUF');
    assert.deepEqual(facts.gguf, { path: 'Q4_K_M/Llama-3.3-70B-Instruct-Q4_K_M-00001-of-00002.gguf' });
    assert.equal(facts.fileBytes, 39_969_000_000 + 2_551_000_000);
  });

  it('are those of the base, if it is an adapter', async () => {
    const [facts, base] = [
      await describeOne('acme/support-lora'),
      await describeOne('meta-llama/Llama-3.1-8B-Instruct'),
    ];
    const adapter = { base: base.model, rank: 12, bytes: 84_000_000, mustMerge: null, baseProblem: null };
    assert.deepEqual(facts, { ...base, model: 'acme/support-lora', adapter });
  });

  it('say that it is gated, whose, and that its config names code', async () => {
    const shut = 'meta-llama/Llama-3.3-70B-Instruct';
    assert.deepEqual((await describeOne(shut)).access, { gated: [shut], private: [], shut: [shut], hasCode: false });
    const own = 'acme/own-code-7b';
    assert.deepEqual((await describeOne(own)).access, { gated: [own], private: [], shut: [], hasCode: true });
  });

  it('are refused to an invalid token', async () => {
    await assert.rejects(describeOne('meta-llama/Llama-3.1-8B-Instruct', 'hf_bad'), { code: 'unauthorized' });
  });

  it('are `not_found` for a model that does not exist', async () => {
    for (const model of ['org/nothing', 'acme/closed-model', '../secrets']) {
      await assert.rejects(describeOne(model), { code: 'not_found' });
    }
  });
});

const CARD = {
  _id: '1',
  id: 'acme/model',
  private: false,
  gated: false,
  pipeline_tag: 'text-generation',
  lastModified: '2026-01-01T00:00:00.000Z',
  safetensors: { parameters: { BF16: 8_000 }, total: 8_000 },
};

describe('the facts of a model', () => {
  const describeOne = async (card: object, files: readonly [string, number][], config: Answer) => {
    const siblings = files.map(([rfilename]) => ({ rfilename }));
    await using rig = await serve(({ path }) => {
      if (path.includes('/revision/')) return { body: { ...CARD, siblings, ...card } };
      if (path.includes('/tree/')) return { body: files.map(([name, size]) => ({ type: 'file', path: name, size })) };
      return path.endsWith('config.json') ? config : { status: 404, body: {} };
    });
    return await createHubClient({ hubUrl: rig.url, token: TOKEN, timeoutMs: 5_000 }).describeModel('acme/model');
  };
  const none: Answer = { status: 404, body: { error: 'Entry not found' } };
  const quantised = { config: { quantization_config: { quant_method: 'gptq', bits: 4 } } };

  const rows: [string, readonly [string, number][], number][] = [
    [
      'shards, and the whole of it in another format',
      [
        ['consolidated.safetensors', 9],
        ['model-00001-of-00002.safetensors', 2],
        ['model-00002-of-00002.safetensors', 3],
      ],
      5,
    ],
    [
      'one file beside adapters',
      [
        ['model.safetensors', 4],
        ['adapter.safetensors', 1],
      ],
      4,
    ],
    [
      'older files beside newer ones',
      [
        ['pytorch_model.bin', 8],
        ['model.safetensors', 4],
      ],
      4,
    ],
    [
      'names of their own',
      [
        ['a.safetensors', 1],
        ['b.safetensors', 2],
      ],
      3,
    ],
  ];
  for (const [title, files, bytes] of rows) {
    it(`count the files that an engine loads of ${title}`, async () => {
      assert.equal((await describeOne(quantised, files, none)).fileBytes, bytes);
    });
  }

  it('count all parts of a GGUF, and neither projectors nor matrices of importance', async () => {
    const files: [string, number][] = [
      ['mmproj-a.gguf', 50],
      ['imatrix_Q4_K_M.gguf', 60],
      ['m-Q4_K_M-00001-of-00002.gguf', 3],
      ['m-Q4_K_M-00002-of-00002.gguf', 4],
      ['m-Q2_K.gguf', 1],
    ];
    const facts = await describeOne({ safetensors: undefined }, files, none);
    assert.deepEqual([facts.gguf, facts.fileBytes], [{ path: 'm-Q4_K_M-00001-of-00002.gguf' }, 7]);
  });

  it('have the file of a GGUF whose files cannot be listed', async () => {
    await using rig = await serve(({ path }) => {
      const siblings = [{ rfilename: 'mmproj-a.gguf' }, { rfilename: 'Q4_K_M/m-Q4_K_M.gguf' }];
      return path.includes('/revision/')
        ? { body: { ...CARD, safetensors: undefined, siblings } }
        : { status: 403, body: {} };
    });
    const facts = await createHubClient({ hubUrl: rig.url, token: TOKEN, timeoutMs: 5_000 }).describeModel(
      'acme/model',
    );
    assert.deepEqual([facts.gguf, facts.fileBytes], [{ path: 'Q4_K_M/m-Q4_K_M.gguf' }, null]);
  });

  it('have no shape, and no error, if the config cannot be read', async () => {
    for (const config of [none, { body: '<html></html>' }, { body: [] }]) {
      const facts = await describeOne({}, [['model.safetensors', 4]], config);
      assert.deepEqual([facts.architecture, facts.parameters], [null, { BF16: 8_000 }]);
    }
  });

  it('reject with `unavailable` while the Hub fails', async () => {
    await assert.rejects(describeOne({}, [], { status: 500, body: 'oops' }), { code: 'unavailable' });
  });
});
