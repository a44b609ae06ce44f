import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { offerText } from '../../../src/core/sizing/offer.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { readOffers } from '../../../src/huggingface/management/offers.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';

const compute = (more: object) => ({ instanceType: 'nvidia-l4', instanceSize: 'x1', numAccelerators: 1, ...more });
const list = (computes: readonly object[], vendor: object = {}, region: object = {}) => ({
  vendors: [{ name: 'aws', ...vendor, regions: [{ name: 'us-east-1', ...region, computes }] }],
});

describe('offers', () => {
  it('are all instances of all regions, prices in micro-dollars', () => {
    const row = compute({
      accelerator: 'gpu',
      gpuMemoryGb: 24,
      memoryGb: 30,
      pricePerHour: 0.8,
      status: 'available',
      quota: { maxAccelerators: 4, usedAccelerators: 1 },
    });
    assert.deepEqual(readOffers(list([row]), { hasQuota: true }), [
      {
        vendor: 'aws',
        region: 'us-east-1',
        accelerator: 'gpu',
        instanceType: 'nvidia-l4',
        instanceSize: 'x1',
        numAccelerators: 1,
        gpuMemoryGb: 24,
        memoryGb: 30,
        pricePerHourMicros: 800_000,
        status: 'available',
        closed: null,
        quota: { most: 4, used: 1 },
      },
    ]);
  });

  it('state why they are closed: the vendor, the region or the instance', () => {
    const closed = (...given: Parameters<typeof list>) => readOffers(list(...given), { hasQuota: true })[0]?.closed;
    assert.equal(closed([compute({ status: 'deprecated' })]), 'nvidia-l4 x1 is deprecated');
    assert.equal(closed([compute({})], {}, { status: 'not_available' }), 'aws us-east-1 is not available');
    assert.equal(closed([compute({})], { status: 'deprecated' }), 'aws is deprecated');
    assert.equal(closed([compute({ status: 'low_availability' })]), null);
  });

  it('tolerate missing and unexpected fields', () => {
    for (const body of [null, 'text', [], {}, { vendors: [null, { name: 'aws' }, { name: 'gcp', regions: [{}] }] }]) {
      assert.deepEqual(readOffers(body, { hasQuota: true }), []);
    }
    const [bare] = readOffers(list([compute({}), {}, null as never]), { hasQuota: true });
    assert.deepEqual([bare?.pricePerHourMicros, bare?.quota, bare?.gpuMemoryGb], [null, null, null]);
  });

  it('of the public list need no token and have no quota', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000), quotas: { 'nvidia-a100': 16 } });
    const client = (token: string | null) => createEndpointsClient({ baseUrl: simulation.endpointsUrl, token });
    const open = await client(null).offers(null);
    assert.ok(open.length > 30 && open.every(({ quota }) => quota === null));
    const ours = await client('hf_test').offers('acme');
    assert.deepEqual(open.map(offerText), ours.map(offerText));
    const a100 = ours.find(({ instanceType }) => instanceType === 'nvidia-a100');
    assert.deepEqual(a100?.quota, { most: 16, used: 0 });
    await assert.rejects(client(null).offers('acme'), { code: 'unauthorized' });
  });
});

describe('the built-in price list', () => {
  it('has neither status nor quota, and each instance once', () => {
    const offers = listedOffers();
    assert.ok(offers.every(({ status, quota }) => status === 'unknown' && quota === null));
    assert.equal(new Set(offers.map(offerText)).size, offers.length);
  });

  it('has the price of the simulation for each instance that both have', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const live = await createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: null }).offers(null);
    const known = new Map(live.map((offer) => [offerText(offer), offer]));
    const both = listedOffers().filter((offer) => known.has(offerText(offer)));
    assert.ok(both.length > 20);
    for (const offer of both) {
      const other = known.get(offerText(offer));
      assert.equal(offer.pricePerHourMicros, other?.pricePerHourMicros, offerText(offer));
      assert.equal(offer.numAccelerators, other?.numAccelerators, offerText(offer));
      assert.equal(offer.gpuMemoryGb, other?.gpuMemoryGb, offerText(offer));
    }
  });
});
