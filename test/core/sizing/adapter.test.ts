import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { loadedRank, readAdapter } from '../../../src/core/sizing/adapter.ts';
import type { Adapter } from '../../../src/core/sizing/adapter.ts';
import { NO_DEMAND } from '../../../src/core/sizing/busiest-demand.ts';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import type { InstanceWish } from '../../../src/core/sizing/candidate.ts';
import { caveatsOf } from '../../../src/core/sizing/caveats.ts';
import { chooseOffer, pin } from '../../../src/core/sizing/choice.ts';
import type { ModelFacts } from '../../../src/core/sizing/facts.ts';
import { weightsOf } from '../../../src/core/sizing/weights.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { SHAPES } from '../../support/shapes.ts';

const LORA = { base_model_name_or_path: 'meta-llama/Llama-3.3-70B-Instruct', peft_type: 'LORA', r: 16 };
const ANY: InstanceWish = { regions: [], deny: [], minReplica: 1, maxReplica: 1, args: [] };

const READ: readonly [title: string, config: unknown, expected: Partial<Adapter>][] = [
  ['a LoRA', LORA, { base: LORA.base_model_name_or_path, rank: 16, mustMerge: null, baseProblem: null }],
  ['the largest rank of its modules', { ...LORA, rank_pattern: { 'layers.1': 48 } }, { rank: 48 }],
  ['DoRA', { ...LORA, use_dora: true }, { mustMerge: 'vLLM does not load DoRA' }],
  ['other modules', { ...LORA, modules_to_save: ['lm_head'] }, { mustMerge: 'vLLM does not load modules_to_save' }],
  ['none other', { ...LORA, modules_to_save: null, bias: 'none' }, { mustMerge: null }],
  ['biases', { ...LORA, bias: 'lora_only' }, { mustMerge: 'vLLM does not load biases' }],
  ['IA3', { ...LORA, peft_type: 'IA3' }, { mustMerge: 'engines load LoRA only, and it is IA3' }],
  ['a rank beyond those of vLLM', { ...LORA, r: 1024 }, { mustMerge: 'its rank 1024 is above the 512 of vLLM' }],
  ['a base on somebody’s disk', { ...LORA, base_model_name_or_path: '/content/base' }, { base: null }],
  [
    'a config that cannot be read',
    undefined,
    { base: null, mustMerge: 'engines load LoRA only, and it is of no known type' },
  ],
];

const adapterOf = (base: ModelFacts, more: Partial<Adapter> = {}): ModelFacts => ({
  ...base,
  model: 'acme/support-lora',
  adapter: { ...readAdapter(LORA, 84_000_000), ...more },
});

function choose(facts: ModelFacts, wish: Partial<InstanceWish> = {}) {
  const wanted = { facts, demand: NO_DEMAND, policy: { ...ANY, ...wish }, ...NOTHING_TRIED };
  const choice = chooseOffer(listedOffers(), wanted);
  const { chosen, candidates } = choice;
  const kinds = new Set(candidates.map(({ obstacle }) => obstacle?.kind ?? 'fits'));
  return { kinds, instance: chosen === null ? null : pin(chosen, choice, wanted) };
}

describe('what is read of an adapter', () => {
  for (const [title, config, expected] of READ) {
    it(title, () => {
      const read = readAdapter(config, null, []);
      assert.deepEqual({ ...read, ...expected }, read);
    });
  }

  it('has the base that its card names, if its config names a path', () => {
    const config = { ...LORA, base_model_name_or_path: './outputs/merged' };
    const tags = ['lora', 'base_model:org/model', 'base_model:adapter:org/model'];
    assert.equal(readAdapter(config, null, tags).base, 'org/model');
    assert.equal(readAdapter(LORA, null, tags).base, LORA.base_model_name_or_path);
    assert.equal(readAdapter(config, null, ['lora']).base, null);
  });

  it('is a rank that vLLM takes, and not below its own', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), (rank) => {
        const loaded = loadedRank(rank);
        assert.ok(loaded >= rank && [8, 16, 32, 64, 128, 256, 320, 512].includes(loaded));
      }),
    );
  });
});

describe('an adapter', () => {
  it('is as large as its base and itself', () => {
    const [base, both] = [weightsOf(SHAPES.llama70b), weightsOf(adapterOf(SHAPES.llama70b))];
    assert.equal(both?.bytes, (base?.bytes ?? 0) + 84_000_000);
    assert.match(both?.arithmetic ?? '', /x 2 bytes, and 0\.08 GB of adapter$/);
    const wider = weightsOf(adapterOf(SHAPES.llama70b, { rank: 12 }));
    assert.equal(wider?.bytes, (base?.bytes ?? 0) + 112_000_000);
  });

  it('of a 70B needs the instance of a 70B, and is pinned to its base', () => {
    const { instance } = choose(adapterOf(SHAPES.llama70b));
    assert.deepEqual([instance?.instanceType, instance?.instanceSize], ['nvidia-l40s', 'x4']);
    assert.deepEqual(instance?.adapter, { base: LORA.base_model_name_or_path, rank: 16 });
    assert.deepEqual(instance.caveats, [
      'acme/support-lora is an adapter of meta-llama/Llama-3.3-70B-Instruct: the endpoint loads both',
    ]);
  });

  const refused: readonly [title: string, more: Partial<Adapter>, wish: Partial<InstanceWish>][] = [
    ['that must be merged', { mustMerge: 'vLLM does not load DoRA' }, {}],
    ['whose base nobody knows', { base: null, baseProblem: 'its base is not there' }, {}],
    ['on an engine that is not told of adapters', {}, { engine: 'tgi', image: 'tgi:1' }],
    [
      'that must be merged, on an instance that the policy names in full',
      { mustMerge: 'it is IA3' },
      { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' },
    ],
  ];
  for (const [title, more, wish] of refused) {
    it(`gets no instance: one ${title}`, () => {
      const { instance, kinds } = choose(adapterOf(SHAPES.llama8b, more), wish);
      assert.equal(instance, null);
      kinds.delete('not named');
      assert.deepEqual([...kinds], ['adapter']);
    });
  }
});

describe('what must be known before money is spent', () => {
  const none = { gated: [], private: [], shut: [], hasCode: false };
  const cases: readonly [
    title: string,
    more: Partial<ModelFacts>,
    args: readonly string[],
    caveats: readonly string[],
  ][] = [
    ['nothing', { access: none }, [], []],
    ['nothing if nothing is known', {}, [], []],
    ['gated', { access: { ...none, gated: ['a/b'] } }, [], ['a/b is gated: the endpoint gets HF_TOKEN']],
    [
      'gated for us',
      { access: { ...none, gated: ['a/b'], shut: ['a/b'] } },
      [],
      ['a/b is gated: HF_TOKEN may not use it'],
    ],
    ['private', { access: { ...none, private: ['a/b'] } }, [], ['a/b is private']],
    [
      'code',
      { access: { ...none, hasCode: true } },
      [],
      [
        'its config names code of the repository (auto_map): vLLM runs it only with --trust-remote-code in args, and some models do not start without it',
      ],
    ],
    [
      'code that is trusted',
      { access: { ...none, hasCode: true } },
      ['--trust-remote-code'],
      ['its config names code of the repository (auto_map): --trust-remote-code is set, so the engine runs it'],
    ],
  ];
  for (const [title, more, args, caveats] of cases) {
    it(title, () => assert.deepEqual(caveatsOf({ ...SHAPES.llama8b, ...more }, { args: [...args] }), caveats));
  }
});
