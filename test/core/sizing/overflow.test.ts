import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { BusiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import type { InstanceWish } from '../../../src/core/sizing/candidate.ts';
import { chooseOffer, pin } from '../../../src/core/sizing/choice.ts';
import { mostReplicas } from '../../../src/core/sizing/pinned.ts';
import { LoadCurve } from '../../../src/core/usage/load-curve.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { SHAPES } from '../../support/shapes.ts';

const ANY: InstanceWish = { regions: [], deny: [], minReplica: 1, maxReplica: 1, args: [] };
const OFFERS = listedOffers();

/** So many calls at once, always. */
function demandOf(inFlight: number): BusiestDemand {
  return { calls: 1, windowCalls: 1, inFlight, tokens: 1_000, longest: 1_600, outputPerSecond: 300 };
}

/** Ten bursts of so many calls each. */
function loadOf(inFlight: number): LoadCurve {
  const calls = Array.from({ length: 10 * inFlight }, (_, i) => {
    const arrivedAtMs = Math.floor(i / inFlight) * 10_000;
    return { arrivedAtMs, endedAtMs: arrivedAtMs + 5_000, isRefused: false, isRepeat: false };
  });
  return new LoadCurve(calls, 100_000);
}

function choose(wish: Partial<InstanceWish>, inFlight: number, load: LoadCurve | null = loadOf(inFlight)) {
  const policy = { ...ANY, ...wish };
  const demand = demandOf(inFlight);
  const wanted = { facts: SHAPES.llama8b, demand, policy, ...NOTHING_TRIED, ...(load !== null && { load }) };
  const choice = chooseOffer(OFFERS, wanted);
  const { chosen } = choice;
  return { choice, chosen, policy, instance: chosen === null ? null : pin(chosen, choice, wanted) };
}

test('a price ceiling below what the demand needs gets what it pays for, and the rest overflows', () => {
  // 60 calls are two L4s, which hold 30 each. The ceiling pays for one.
  const wish = { maxReplica: 4, maxPricePerHour: 0.75 };
  const { chosen, instance } = choose(wish, 60);
  assert.equal(chosen?.obstacle, null);
  assert.deepEqual([chosen?.replicas, chosen?.within, chosen?.overflowShare], [2, 1, 0.5]);
  assert.deepEqual([instance?.instanceType, instance?.maxReplica, instance?.overflowShare], ['nvidia-l4', 1, 0.5]);
  assert.match(instance?.reason ?? '', /1 of 2 replicas for the demand/);
  assert.equal(choose(wish, 60, null).chosen?.obstacle?.kind, 'price');
});

test('a limit of replicas below what the demand needs is no obstacle either if calls may overflow', () => {
  const wish = { maxReplica: 1, regions: ['gcp/us-east4'], deny: ['nvidia-a100', 'nvidia-h100', 'nvidia-l4/x4'] };
  const { chosen, instance } = choose(wish, 40);
  assert.deepEqual([chosen?.within, chosen?.overflowShare, instance?.maxReplica], [1, 0.25, undefined]);
  assert.equal(choose(wish, 40, null).chosen, null);
});

test('a ceiling that pays for fewer replicas than are allowed, but enough, only lowers their number', () => {
  const { instance } = choose({ maxReplica: 8, maxPricePerHour: 2 }, 40);
  assert.deepEqual([instance?.maxReplica, instance?.overflowShare], [2, undefined]);
  assert.equal(mostReplicas({ maxReplica: 8 }, instance ?? {}), 2);
  assert.equal(mostReplicas({ maxReplica: 8 }, {}), 8);
});

test('an instance that the policy names stays too dear if its ceiling pays for none', () => {
  const named = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };
  const { chosen, instance } = choose({ ...named, maxPricePerHour: 0.5 }, 10);
  assert.deepEqual([chosen?.obstacle, chosen?.within, instance?.maxReplica], [null, 1, undefined]);
});

test('whatever the ceiling: it is kept, the least share overflows, and a higher one never lets more overflow', () => {
  const ceilings = fc.double({ min: 0.3, max: 30, noNaN: true });
  fc.assert(
    fc.property(
      ceilings,
      ceilings,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 300 }),
      (a, b, most, n) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((maxPricePerHour) =>
          choose({ maxReplica: most, maxPricePerHour }, n),
        ) as [ReturnType<typeof choose>, ReturnType<typeof choose>];
        for (const { choice, chosen, policy } of [low, high]) {
          if (chosen === null || chosen.obstacle !== null) continue;
          const price = ((chosen.offer.pricePerHourMicros ?? 0) * chosen.within) / 1e6;
          assert.ok(price <= (policy.maxPricePerHour ?? 0) + 1e-9 && chosen.within <= most);
          assert.equal(chosen.overflowShare === 0, chosen.replicas <= chosen.within);
          for (const other of choice.candidates) {
            if (other.obstacle === null) assert.ok((other.overflowShare ?? 0) >= (chosen.overflowShare ?? 0));
          }
        }
        if (low.chosen?.obstacle !== null) return;
        assert.equal(high.chosen?.obstacle, null);
        assert.ok((high.chosen.overflowShare ?? 1) <= (low.chosen.overflowShare ?? 1));
      },
    ),
    { numRuns: 60 },
  );
});
