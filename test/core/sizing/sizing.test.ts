import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import type { InstanceWish } from '../../../src/core/sizing/candidate.ts';
import { cacheBytes } from '../../../src/core/sizing/cache.ts';
import { chooseOffer, costOf, pin } from '../../../src/core/sizing/choice.ts';
import { engineSettings } from '../../../src/core/sizing/engine-args.ts';
import type { ModelFacts } from '../../../src/core/sizing/facts.ts';
import type { BusiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { NO_DEMAND, busiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { memoryNeed } from '../../../src/core/sizing/memory.ts';
import type { Offer } from '../../../src/core/sizing/offer.ts';
import { offerText } from '../../../src/core/sizing/offer.ts';
import { decodePerSecond } from '../../../src/core/sizing/speed.ts';
import { weightsOf } from '../../../src/core/sizing/weights.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { SHAPES } from '../../support/shapes.ts';

const ANY: InstanceWish = { regions: [], deny: [], minReplica: 1, maxReplica: 1, args: [] };
const OFFERS = listedOffers();

function choose(
  facts: ModelFacts,
  wish: Partial<InstanceWish> = {},
  demand: BusiestDemand = NO_DEMAND,
  offers: readonly Offer[] = OFFERS,
) {
  const wanted = { facts, demand, policy: { ...ANY, ...wish }, ...NOTHING_TRIED };
  const choice = chooseOffer(offers, wanted);
  const { chosen } = choice;
  return { choice, chosen, instance: chosen === null ? null : pin(chosen, choice, wanted) };
}

function chosenText(facts: ModelFacts, wish: Partial<InstanceWish> = {}, demand: BusiestDemand = NO_DEMAND): string {
  const { chosen } = choose(facts, wish, demand);
  return chosen === null ? 'none' : `${offerText(chosen.offer)} $${(chosen.offer.pricePerHourMicros ?? 0) / 1e6}`;
}

function obstacleOf(facts: ModelFacts, instance: string, wish: Partial<InstanceWish> = {}): string | null {
  const { choice } = choose(facts, wish);
  const found = choice.candidates.find(({ offer }) => offerText(offer) === instance);
  assert.ok(found, instance);
  return found.obstacle === null ? null : `${found.obstacle.kind}: ${found.obstacle.text}`;
}

/**
 * Usable are nine tenths of a card: T4 12.6 GB, L4 21.6, L40S 43.2, A100 72, H200 126.9. Beside its weights a model needs
 * activations (8192 x (4 hidden + 2 intermediate) x 2 bytes + 2048 bytes of logits a word of its vocabulary), 0.6 GB for
 * the engine, and the cache of one call of 8192 tokens, as nothing was seen. Prices: `list-prices.ts`.
 */
const CHOICES: readonly [title: string, facts: ModelFacts, chosen: string][] = [
  // 1.236 B x 2 = 2.47 GB: T4s at $0.5 have the room, and no BF16.
  ['1B in BF16', SHAPES.llama1b, 'gcp us-east4 nvidia-l4 x1 $0.7'],
  // 16.06 + 1.00 + 0.60 = 17.66 of 21.6 GB; 3.94 GB are left for 131,072 bytes a token.
  ['8B in BF16', SHAPES.llama8b, 'gcp us-east4 nvidia-l4 x1 $0.7'],
  // 6.98 x 1 + 1.05 x 2 = 9.08 GB would fit a T4's 12.6, which has no FP8.
  ['8B in FP8', SHAPES.llama8bFp8, 'gcp us-east4 nvidia-l4 x1 $0.7'],
  // 6.74 B x 2 = 13.48 GB exceed a T4; each head has its own keys: 2 x 32 x 32 x 128 x 2 = 524,288 bytes a token.
  ['7B in F16', SHAPES.llama2, 'gcp us-east4 nvidia-l4 x1 $0.7'],
  // 6.525 B x 4.125 bits = 3.36 GB + 1.09 B x 2 = 2.18: 5.55 GB, + 1.17 + 0.6 of a T4's 12.6; the one of gcp costs as much,
  // has 16 GB and so room for more calls at once.
  ['7B in packed 4 bits (GPTQ)', SHAPES.qwenGptq, 'gcp us-east4 nvidia-t4 x1 $0.5'],
  // 19.11 B x 4.25 bits = 10.15 GB + 1.80 B x 2 = 3.61: 13.76 GB; no MXFP4 on T4.
  ['20B in MXFP4', SHAPES.gptOss20b, 'gcp us-east4 nvidia-l4 x1 $0.7'],
  // 114.66 B x 4.25 bits = 60.91 GB + 2.17 B x 2 = 4.33: 65.25 GB, + 0.70 + 0.6 of an A100's 72; two L40S would cost more.
  ['120B in MXFP4', SHAPES.gptOss120b, 'aws us-east-1 nvidia-a100 x1 $2.5'],
  // 46.7 B x 2 = 93.4 GB: 23.4 of each of four L4 is too much for 21.6. Two A100 and one H200 cost $5 both; the former
  // have room for 45 calls at once, 777 tokens a second, the latter for 29 and 671.
  ['a mixture of 8 x 7B', SHAPES.mixtral, 'aws us-east-1 nvidia-a100 x2 $5'],
  // 141.1 GB: 70.55 + 1.14 + 0.6 = 72.29 on each of two A100 is just too much for 72; 35.28 + 0.84 + 0.6 of 43.2 is not.
  ['70B in BF16', SHAPES.llama70b, 'aws us-east-1 nvidia-l40s x4 $8.3'],
  // Without a config: activations 14.11 / 4, cache 131,072 x sqrt(70.55 / 8) = 389,000 bytes a token: 40.2 of 43.2.
  ['a gated 70B whose config is not for us', SHAPES.llama70bGated, 'aws us-east-1 nvidia-l40s x4 $8.3'],
  // 811.7 GB: 101.5 + 1.9 on each of eight H200; eight of 80 GB hold 576.
  ['405B in BF16', SHAPES.llama405b, 'aws us-west-2 nvidia-h200 x8 $40'],
  // 680.6 + 2 x 3.9 + 0.2 = 688.6 GB: 86.1 on each of eight H200.
  ['684B in FP8 with latent attention', SHAPES.deepseek, 'aws us-west-2 nvidia-h200 x8 $40'],
  // 1369 GB: eight H200 have 1128.
  ['684B in BF16: nothing', SHAPES.deepseekBf16, 'none'],
  // 22.7 M x 4 = 0.09 GB, + 0.30 + 0.60 of 2 GB: the smallest CPU.
  ['a small embedding model', SHAPES.miniLm, 'aws us-east-1 intel-spr x1 $0.033'],
  // 335 M x 4 = 1.34 GB, + 0.81 + 0.60 = 2.75 of 4.
  ['a larger embedding model', SHAPES.bgeLarge, 'aws us-east-1 intel-spr x2 $0.067'],
  // 14.2 GB exceed a T4; no CPU.
  ['an embedding model of 7B', SHAPES.e5Mistral, 'gcp us-east4 nvidia-l4 x1 $0.7'],
];

describe('the choice for', () => {
  for (const [title, facts, chosen] of CHOICES) {
    it(`${title} is ${chosen}`, () => assert.equal(chosenText(facts), chosen));
  }
});

describe('the memory that a model needs', () => {
  const weights: [ModelFacts, number][] = [
    [SHAPES.llama8b, 8_030_261_248 * 2],
    [SHAPES.llama8bFp8, 6_979_321_856 + 1_050_939_392 * 2],
    [SHAPES.miniLm, 22_713_216 * 4 + 512 * 8],
    [SHAPES.qwenGptq, (6_525_288_448 * 4.125) / 8 + 1_090_328_064 * 2],
    // The three files of the repository have 13,761,264,768 bytes of tensors.
    [SHAPES.gptOss20b, 13_761_264_768],
    [SHAPES.gguf, 2_019_377_696],
  ];
  for (const [facts, bytes] of weights) {
    it(`has ${(bytes / 1e9).toFixed(3)} GB of weights for ${facts.model}`, () => {
      assert.equal(weightsOf(facts)?.bytes, Math.ceil(bytes));
    });
  }

  it('uses the file sizes of quantised weights, in both ways that the Hub counts them', () => {
    const packed = {
      ...SHAPES.qwenGptq,
      parameters: { I32: 815_661_056, F16: 1_090_328_064 },
      fileBytes: 5_575_000_000,
    };
    assert.equal(weightsOf(packed)?.bytes, 5_575_000_000);
  });

  const caches: [string, ModelFacts, number, number][] = [
    ['2 x 16 layers x 8 heads x 64 x 2 bytes', SHAPES.llama1b, 1, 32_768],
    ['2 x 32 x 8 x 128 x 2', SHAPES.llama8b, 1, 131_072],
    ['2 x 80 x 8 x 128 x 2', SHAPES.llama70b, 1, 327_680],
    ['2 x 126 x 8 x 128 x 2', SHAPES.llama405b, 1, 516_096],
    ['2 x 28 x 4 x 128 x 2, no sliding window in use', SHAPES.qwenGptq, 1, 57_344],
    ['latent: 61 layers x (512 + 64) x 2', SHAPES.deepseek, 1, 70_272],
    ['12 layers whole, 12 up to 128 tokens: 2 x 8 x 64 x 2 each', SHAPES.gptOss20b, 8_192, 12 * (8_192 + 128) * 2_048],
  ];
  for (const [title, facts, tokens, bytes] of caches) {
    it(`has a cache of ${title} for ${facts.model}`, () => {
      assert.equal(cacheBytes(facts, tokens, { bytesPerNumber: 2, parallel: 1 }), bytes);
    });
  }

  it('divides the heads of a cache among accelerators, but not a latent cache', () => {
    const on = (facts: ModelFacts, parallel: number) => cacheBytes(facts, 1, { bytesPerNumber: 2, parallel });
    assert.deepEqual(
      [1, 2, 8, 16].map((n) => on(SHAPES.llama8b, n)),
      [131_072, 65_536, 16_384, 16_384],
    );
    assert.equal(on(SHAPES.deepseek, 8), on(SHAPES.deepseek, 1));
  });

  it('shows each term with its arithmetic, and no cache for a model without one', () => {
    const need = memoryNeed(
      SHAPES.llama8b,
      { ...NO_DEMAND, inFlight: 20, tokens: 1_000, longest: 1_600 },
      engineSettings([]),
    );
    assert.deepEqual(
      need?.terms.map(({ name, bytes, arithmetic }) => `${name} ${bytes} ${arithmetic}`),
      [
        'weights 16060522496 8.03 B BF16 x 2 bytes',
        'cache 2621440000 2 x 32 layers x 8 heads x 128 x 2 bytes x 20 calls of 1000 tokens',
        'activations 1000865792 8192 tokens x (4 x 4096 + 2 x 14336) x 2 bytes + 256 x 128256 logits x 8 bytes',
        'engine 600000000 CUDA context and buffers, of each accelerator',
      ],
    );
    assert.equal(need?.context, 2_048);
    const embeds = memoryNeed(SHAPES.miniLm, NO_DEMAND, engineSettings([]));
    assert.deepEqual(
      embeds?.terms.map(({ name }) => name),
      ['weights', 'activations', 'engine'],
    );
  });

  it('names its assumptions', () => {
    const guesses = (facts: ModelFacts) => memoryNeed(facts, NO_DEMAND, engineSettings([]))?.guesses.join('; ') ?? '';
    assert.match(guesses(SHAPES.llama70bGated), /its config is not known/);
    assert.match(guesses(SHAPES.llama8b), /^no tokens were seen: a context of 8192 is assumed$/);
    assert.equal(memoryNeed({ ...SHAPES.llama8b, parameters: null }, NO_DEMAND, engineSettings([])), null);
  });
});

describe('an offer', () => {
  const rows: [string, ModelFacts, string, Partial<InstanceWish>, RegExp][] = [
    ['needs BF16', SHAPES.llama1b, 'aws us-east-1 nvidia-t4 x1', {}, /^dtype: has no BF16; --dtype half/],
    [
      'needs no BF16 with --dtype half',
      SHAPES.llama1b,
      'aws us-east-1 nvidia-t4 x1',
      { args: ['--dtype', 'half'] },
      /^null$/,
    ],
    ['needs FP8', SHAPES.llama8bFp8, 'aws us-east-1 nvidia-t4 x1', {}, /^dtype: has no FP8/],
    ['widens FP8 on Ampere', SHAPES.llama8bFp8, 'aws us-east-1 nvidia-a10g x1', {}, /^null$/],
    [
      'needs memory for the weights',
      SHAPES.llama70b,
      'aws us-east-1 nvidia-a100 x2',
      {},
      /^memory: needs 72\.3 GB, 72\.0 GB usable on each/,
    ],
    [
      'needs heads that divide',
      SHAPES.qwenGptq,
      'aws us-east-1 nvidia-a100 x8',
      {},
      /^parallel: 28 attention heads do not divide by 8/,
    ],
    [
      'uses the parallelism of the arguments',
      SHAPES.qwenGptq,
      'aws us-east-1 nvidia-a100 x8',
      { args: ['-tp', '4'] },
      /^null$/,
    ],
    [
      'with a CPU serves no language model',
      SHAPES.llama1b,
      'aws us-east-1 intel-spr x16',
      {},
      /^accelerator: a CPU serves small/,
    ],
    [
      'uses one accelerator for embeddings',
      SHAPES.e5Mistral,
      'aws us-east-1 nvidia-l4 x4',
      {},
      /^engine: TEI uses one/,
    ],
    [
      'needs an image for GGUF',
      SHAPES.gguf,
      'aws us-east-1 nvidia-t4 x1',
      {},
      /^engine: llamacpp needs endpoint\.image/,
    ],
    [
      'with an image serves GGUF',
      SHAPES.gguf,
      'aws us-east-1 nvidia-t4 x1',
      { engine: 'llamacpp', image: 'llama:1' },
      /^null$/,
    ],
    ['is denied by vendor', SHAPES.llama8b, 'gcp us-east4 nvidia-l4 x1', { deny: ['gcp'] }, /^denied: .*gcp/],
    ['is denied by type', SHAPES.llama8b, 'gcp us-east4 nvidia-l4 x1', { deny: ['nvidia-l4'] }, /^denied/],
    ['is denied by size', SHAPES.llama8b, 'gcp us-east4 nvidia-l4 x1', { deny: ['nvidia-l4/x1'] }, /^denied/],
    [
      'is in a region that the policy does not list',
      SHAPES.llama8b,
      'gcp us-east4 nvidia-l4 x1',
      { regions: ['aws/us-east-1'] },
      /^elsewhere/,
    ],
    ['costs too much', SHAPES.llama8b, 'aws us-east-1 nvidia-a10g x1', { maxPricePerHour: 0.9 }, /^price: \$1\.00\/h/],
  ];
  for (const [title, facts, instance, wish, obstacle] of rows) {
    it(`${title}: ${facts.model} on ${instance}`, () =>
      assert.match(String(obstacleOf(facts, instance, wish)), obstacle));
  }

  it('that is deprecated, or beyond the quota, is not chosen', () => {
    const change = (more: Partial<Offer>) =>
      OFFERS.map((o) => (o.instanceType === 'nvidia-l4' ? { ...o, ...more } : o));
    const instead = (more: Partial<Offer>) =>
      choose(SHAPES.llama8b, {}, NO_DEMAND, change(more)).instance?.instanceType;
    assert.equal(instead({ closed: 'nvidia-l4 x1 is deprecated' }), 'nvidia-a10g');
    assert.equal(instead({ quota: { most: 4, used: 4 } }), 'nvidia-a10g');
    assert.equal(instead({ quota: { most: 4, used: 3 } }), 'nvidia-l4');
  });
});

describe('the policy', () => {
  it('puts regions before prices, in its order', () => {
    const regions = ['aws/eu-west-1', 'aws/us-east-1', 'gcp/us-east4'];
    assert.equal(chosenText(SHAPES.llama8b, { regions }), 'aws us-east-1 nvidia-l4 x1 $0.8');
    assert.equal(chosenText(SHAPES.llama8b, { regions: regions.toReversed() }), 'gcp us-east4 nvidia-l4 x1 $0.7');
  });

  it('decides the instance if it names one in full and the model fits', () => {
    const named = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-a100', instanceSize: 'x1' };
    assert.equal(chosenText(SHAPES.llama8b, named), 'aws us-east-1 nvidia-a100 x1 $2.5');
    assert.equal(chosenText(SHAPES.llama70b, named), 'none');
    assert.match(
      String(obstacleOf(SHAPES.llama70b, 'aws us-east-1 nvidia-a100 x1', named)),
      /^memory: needs 143\.\d GB/,
    );
  });

  it('may name a part of the instance, and the cheapest that matches is chosen', () => {
    assert.equal(
      chosenText(SHAPES.llama8b, { vendor: 'aws', instanceType: 'nvidia-a100' }),
      'aws us-east-1 nvidia-a100 x1 $2.5',
    );
  });

  it('with a limit below all prices gets the cheapest, with its price as the obstacle', () => {
    const { chosen } = choose(SHAPES.llama8b, { maxPricePerHour: 0.1 });
    assert.deepEqual([chosen?.obstacle?.kind, chosen?.offer.vendor], ['price', 'gcp']);
  });
});

describe('what is pinned', () => {
  it('has the engine, the image, the parallelism and the context that fits', () => {
    const { instance } = choose(SHAPES.llama8b, { regions: ['aws/us-east-1'] });
    assert.deepEqual(instance, {
      vendor: 'aws',
      region: 'us-east-1',
      accelerator: 'gpu',
      instanceType: 'nvidia-l4',
      instanceSize: 'x1',
      numAccelerators: 1,
      tensorParallelSize: null,
      engine: 'vLLM',
      image: 'vllm/vllm-openai:v0.23.0',
      // Nine tenths of (21.6 - 17.66) GB / 131,072 bytes = 27,045 tokens, less than the model's 131,072.
      maxContext: 26_624,
      gguf: null,
      reason: 'the cheapest of 11 that fit, 17.7 GB of 21.6 GB usable',
    });
    assert.equal(choose(SHAPES.llama405b).instance?.tensorParallelSize, 8);
    assert.equal(choose(SHAPES.qwenGptq).instance?.maxContext, null);
  });

  it('has the engine and the image of embeddings, by architecture', () => {
    const { instance: small } = choose(SHAPES.miniLm);
    assert.deepEqual([small?.accelerator, small?.engine, small?.image.split(':')[1]], ['cpu', 'tei', 'cpu-1.9']);
    assert.equal(choose(SHAPES.e5Mistral).instance?.image.split(':')[1], '89-1.9');
  });

  it('has llama.cpp’s file, and a context for each of its calls', () => {
    const demand = { ...NO_DEMAND, inFlight: 3.2, tokens: 900, longest: 4_000 };
    const { instance } = choose(SHAPES.gguf, { engine: 'llamacpp', image: 'llama:1' }, demand);
    // 4,000 x 1.25 in steps of 1024.
    assert.deepEqual(instance?.gguf, { path: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf', context: 4 * 5_120, calls: 4 });
  });
});

describe('a demand', () => {
  const call = (atMs: number, seconds: number, prompt: number | null, output: number | null) => ({
    arrivedAtUs: atMs * 1_000,
    durationUs: seconds * 1e6,
    outcome: 'ok' as const,
    firstTokenUs: null,
    promptTokens: prompt,
    outputTokens: output,
    isEmpty: null,
  });

  it('is the busiest five minutes: calls in flight, tokens a second, the longest call of all', () => {
    const quiet = Array.from({ length: 10 }, (_, i) => call(i * 60_000, 1, 3_000, 500));
    const busy = Array.from({ length: 600 }, (_, i) => call(3_600_000 + i * 500, 5, 800, 200));
    const demand = busiestDemand([...busy, ...quiet]);
    assert.deepEqual(demand, {
      calls: 610,
      windowCalls: 600,
      // 600 calls x 5 s / 300 s, and 600 x 200 tokens / 300 s.
      inFlight: 10,
      tokens: 1_000,
      longest: 3_500,
      outputPerSecond: 400,
    });
    assert.deepEqual(busiestDemand([]), NO_DEMAND);
    assert.equal(busiestDemand([call(0, 1, null, null)]).longest, null);
  });

  it('needs as many replicas as hold its calls and write its tokens', () => {
    // An L4 has room for 3.94 GB / 131 MB = 30 calls of 1000 tokens: 30 x 0.6 x 300 GB/s / (16.06 + 3.93 GB) = 270 a second.
    const demand: BusiestDemand = {
      calls: 1,
      windowCalls: 1,
      inFlight: 10,
      tokens: 1_000,
      longest: 1_600,
      outputPerSecond: 200,
    };
    const wish = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };
    const need = (more: Partial<BusiestDemand>) => choose(SHAPES.llama8b, wish, { ...demand, ...more }).chosen;
    assert.deepEqual([need({})?.replicas, Math.round(need({})?.perSecond ?? 0)], [1, 270]);
    assert.equal(need({ inFlight: 70 })?.replicas, 3);
    assert.equal(need({ outputPerSecond: 900 })?.replicas, 4);
  });

  it('that one cheap replica cannot carry gets a larger instance, or several replicas if the policy allows them', () => {
    const demand: BusiestDemand = {
      calls: 1,
      windowCalls: 1,
      inFlight: 40,
      tokens: 1_000,
      longest: 1_600,
      outputPerSecond: 300,
    };
    // 40 calls are more than an L4's 30; an A10G has the same memory; an L40S holds 194.
    assert.equal(chosenText(SHAPES.llama8b, {}, demand), 'aws us-east-1 nvidia-l40s x1 $1.8');
    assert.equal(chosenText(SHAPES.llama8b, { maxReplica: 2 }, demand), 'gcp us-east4 nvidia-l4 x1 $0.7');
  });

  it('with calls too long for a card gets a larger card', () => {
    // 40,000 x 1.25 = 50,176 tokens x 131,072 bytes = 6.6 GB, on an L4 3.94 are left.
    const long = { ...NO_DEMAND, longest: 40_000, tokens: 900 };
    assert.equal(chosenText(SHAPES.llama8b, {}, long), 'aws us-east-1 nvidia-l40s x1 $1.8');
  });

  it('is estimated by the measured speed of the same instance if there is one', () => {
    const accelerator = { capability: 8.9, bytesPerSecond: 300e9 };
    const use = { accelerator, accelerators: 1, cacheBytesPerNumber: 2, tokens: 1_000, measured: null };
    const guessed = decodePerSecond(SHAPES.llama8b, 10, use) ?? 0;
    // All of the bandwidth: 17.37 GB a step of ten calls at 300 GB/s are 57.9 ms a token.
    const measured = { perTokenUs: (16_060_522_496 + 10 * 131_072_000) / 300_000, inFlight: 10 };
    const known = decodePerSecond(SHAPES.llama8b, 10, { ...use, measured }) ?? 0;
    assert.ok(Math.abs(known / guessed - 1 / 0.6) < 1e-9);
    assert.ok(Math.abs(known - 10 / (measured.perTokenUs / 1e6)) < 1e-6);
  });
});

describe('for any model and demand', () => {
  const facts = fc.constantFrom<ModelFacts>(...Object.values(SHAPES));
  const demand = fc.record({
    calls: fc.constant(1),
    windowCalls: fc.constant(1),
    inFlight: fc.double({ min: 0, max: 500, noNaN: true }),
    tokens: fc.integer({ min: 1, max: 4_000 }),
    longest: fc.integer({ min: 4_000, max: 60_000 }),
    outputPerSecond: fc.double({ min: 0, max: 20_000, noNaN: true }),
  });
  const wish = fc.record({
    maxReplica: fc.integer({ min: 1, max: 8 }),
    deny: fc.subarray(['aws', 'nvidia-l4', 'us-east4']),
  });

  it('no offer that may be chosen is cheaper than the chosen one', () => {
    fc.assert(
      fc.property(facts, demand, wish, (model, seen, wanted) => {
        const { choice, chosen } = choose(model, wanted, seen);
        const policy = { ...ANY, ...wanted };
        const open = choice.candidates.filter(({ obstacle }) => obstacle === null);
        assert.equal(chosen === null, open.length === 0);
        for (const other of open) assert.ok(costOf(other, { policy }) >= costOf(chosen ?? other, { policy }));
      }),
    );
  });

  it('the chosen offer holds the model, the longest call and the whole demand', () => {
    fc.assert(
      fc.property(facts, demand, wish, (model, seen, wanted) => {
        const { chosen, instance } = choose(model, wanted, seen);
        if (chosen === null || chosen.hold === null) return;
        const { hold, replicas } = chosen;
        assert.ok(hold.fixed <= hold.usable && replicas <= wanted.maxReplica);
        const most = model.architecture?.maxContext ?? Number.POSITIVE_INFINITY;
        assert.ok((instance?.maxContext ?? most) >= Math.min(most, seen.longest));
        if (hold.calls !== null) assert.ok(hold.calls * replicas >= seen.inFlight || replicas === 64);
      }),
    );
  });

  it('a model that fits still fits with more memory', () => {
    fc.assert(
      fc.property(facts, demand, fc.double({ min: 1, max: 4, noNaN: true }), (model, seen, factor) => {
        const larger = OFFERS.map((o) => ({
          ...o,
          gpuMemoryGb: o.gpuMemoryGb === null ? null : o.gpuMemoryGb * factor,
          memoryGb: o.memoryGb === null ? null : o.memoryGb * factor,
        }));
        const fitting = (offers: readonly Offer[]) =>
          choose(model, {}, seen, offers).choice.candidates.flatMap(({ offer, hold }) =>
            hold !== null && hold.why === null ? offerText(offer) : [],
          );
        const after = new Set(fitting(larger));
        assert.deepEqual(
          fitting(OFFERS).filter((text) => !after.has(text)),
          [],
        );
      }),
    );
  });
});
