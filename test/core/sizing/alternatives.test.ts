import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import type { InstanceWish } from '../../../src/core/sizing/candidate.ts';
import { NO_DEMAND } from '../../../src/core/sizing/busiest-demand.ts';
import { alternativesTo, chooseOffer } from '../../../src/core/sizing/choice.ts';
import { offerText } from '../../../src/core/sizing/offer.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { SHAPES } from '../../support/shapes.ts';

const ANY: InstanceWish = { regions: [], deny: [], minReplica: 1, maxReplica: 1, args: [] };
const L4 = 'aws us-east-1 nvidia-l4 x1';
const A10G = 'aws us-east-1 nvidia-a10g x1';
const L40S = 'aws us-east-1 nvidia-l40s x1';
const IN_AWS = { regions: ['aws/us-east-1'] };

function tried(wish: Partial<InstanceWish>, leftLately: readonly string[] = []): readonly string[] {
  const policy = { ...ANY, ...wish };
  const wanted = {
    facts: SHAPES.llama8b,
    demand: NO_DEMAND,
    policy,
    ...NOTHING_TRIED,
    leftLately: new Set(leftLately),
  };
  const choice = chooseOffer(listedOffers(), wanted);
  const { chosen } = choice;
  assert.ok(chosen);
  return [chosen, ...alternativesTo(chosen, choice, wanted)].map(({ offer }) => offerText(offer));
}

const CASES: readonly [
  title: string,
  wish: Partial<InstanceWish>,
  left: readonly string[],
  tried: readonly string[],
][] = [
  // $0.80, $1.00; $1.80 is more than twice the first.
  ['by rank, up to twice the price of the first', IN_AWS, [], [L4, A10G]],
  ['at most three', {}, [], ['gcp us-east4 nvidia-l4 x1', L4, A10G]],
  [
    'none if one is named in full',
    { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' },
    [],
    [L4],
  ],
  [
    'as the policy lists them, whatever they cost',
    { ...IN_AWS, instances: ['nvidia-l40s/x1', 'nvidia-l4/x1'] },
    [],
    [L40S, L4],
  ],
  [
    'the best region of each that is listed',
    { instances: ['nvidia-a10g/x1', 'nvidia-l4/x1'] },
    [],
    [A10G, 'gcp us-east4 nvidia-l4 x1'],
  ],
  [
    'a region twice if it is listed',
    { instances: ['gcp/us-east4/nvidia-l4/x1', 'aws/us-east-1/nvidia-l4/x1'] },
    [],
    ['gcp us-east4 nvidia-l4 x1', L4],
  ],
  // A T4 has no BF16.
  ['none that does not fit', { ...IN_AWS, instances: ['nvidia-t4/x1', 'nvidia-a10g/x1'] }, [], [A10G]],
  ['what could not be had lately comes last', IN_AWS, [L4], [A10G, L40S, L4]],
  [
    'also in a list',
    { ...IN_AWS, instances: ['nvidia-l4/x1', 'nvidia-a10g/x1', 'nvidia-l40s/x1'] },
    [L4, A10G],
    [L40S, L4, A10G],
  ],
  ['and is tried all the same if there is nothing else', { ...IN_AWS, instances: ['nvidia-l4/x1'] }, [L4], [L4]],
];

describe('the instances that are tried', () => {
  for (const [title, wish, left, expected] of CASES) {
    it(title, () => assert.deepEqual(tried(wish, left), expected));
  }
});
