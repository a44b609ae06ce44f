import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBill } from '../../src/huggingface/hub/billing.ts';
import { createEndpointsClient } from '../../src/huggingface/management/endpoints.ts';
import { listPrices } from '../../src/huggingface/providers.ts';
import { serve } from './rig.ts';
import type { Answer } from './rig.ts';

const SPAN = { from: 60_000_000, until: 60_180_000 };

async function replicasFrom(answer: Answer) {
  await using rig = await serve(() => answer);
  const client = createEndpointsClient({ baseUrl: rig.url, token: 'hf_test' });
  const replicas = await client.replicas('acme', 'one', SPAN);
  assert.deepEqual(rig.seen[0]?.body, { start: '1970-01-01T16:40:00.000Z', stop: '1970-01-01T16:43:00.000Z' });
  return replicas === null ? null : { minutes: [...replicas.minutes], isByMinute: replicas.isByMinute };
}

const graph = (data: object[], more: object = {}) => ({
  body: { timeWindowSeconds: 60, replicasRunning: { series: [{ status: 'ready', data }] }, ...more },
});

test('graphs are read in seconds or milliseconds, by the minute or by wider windows, of whatever status', async () => {
  const minutes = [
    [1_000, 1],
    [1_001, 2],
  ];
  const seconds = [
    { x: 60_000, y: 1 },
    { x: 60_060, y: 1.5 },
  ];
  assert.deepEqual(await replicasFrom(graph(seconds)), { minutes, isByMinute: true });
  const millis = seconds.map(({ x, y }) => ({ x: 1_700_000_000_000 + x, y }));
  assert.equal((await replicasFrom(graph(millis)))?.minutes[0]?.[0], 28_333_334);
  const wide = graph([{ x: 60_000, y: 1 }], { timeWindowSeconds: 120 });
  assert.deepEqual(await replicasFrom(wide), {
    minutes: [
      [1_000, 1],
      [1_001, 1],
    ],
    isByMinute: false,
  });
  const two = [
    { status: 'a', data: [{ x: 60_000, y: 1 }] },
    { status: 'b', data: [{ x: 60_000, y: 3 }, { x: 'now' }] },
  ];
  assert.deepEqual((await replicasFrom({ body: { replicasRunning: { series: two } } }))?.minutes, [[1_000, 3]]);
});

test('a graph that is missing or empty gives null, but a failing API rejects', async () => {
  for (const status of [400, 404, 501]) assert.equal(await replicasFrom({ status, body: { error: 'no' } }), null);
  for (const body of [{}, { replicasRunning: null }, { replicasRunning: { series: [] } }]) {
    assert.equal(await replicasFrom({ body }), null);
  }
  for (const status of [429, 500, 503]) {
    await assert.rejects(replicasFrom({ status, body: {} }), { code: 'unavailable' });
  }
});

test('prices of all providers are read, even if some fields are missing', async () => {
  const providers = [
    { provider: 'groq', status: 'live', pricing: { input: 0.05, output: 0.08 }, is_free: false },
    { provider: 'down', status: 'error', pricing: { input: 0.01, output: 0.01 } },
    { provider: 'free', is_free: true },
    { status: 'live' },
  ];
  await using rig = await serve(() => ({ body: { data: [{ id: 'm', providers }, { id: 'n' }, 7] } }));
  const prices = await listPrices(rig.url, 'hf_test');
  assert.deepEqual(
    prices.map(({ provider, inputMicros, outputMicros, isFree, isLive }) => [
      provider,
      inputMicros,
      outputMicros,
      isFree,
      isLive,
    ]),
    [
      ['groq', 50_000, 80_000, false, true],
      ['down', 10_000, 10_000, false, false],
      ['free', null, null, true, true],
    ],
  );
});

test('a bill is added up over the members, and is null if there is no organization', async () => {
  const use = { model: 'm', provider: 'groq', requestCount: 2, costCents: 1.5 };
  const days = { from: '2026-11-23', until: '2026-11-24' };
  const usage = [{ ...use, user: 'a' }, { ...use, user: 'b' }, { costCents: 0.1 }];
  await using rig = await serve(() => ({ body: [{ period: '2026-11-24T00:00:00.000Z', usage }, { period: 7 }] }));
  const bill = await readBill({ hubUrl: rig.url, token: 'hf_test' }, 'acme', days);
  const line = { org: 'acme', day: '2026-11-24' };
  assert.deepEqual(bill, [
    { ...line, model: 'm', provider: 'groq', calls: 4, micros: 30_000 },
    { ...line, model: '', provider: '', calls: 0, micros: 1_000 },
  ]);
  const query = 'startDate=2026-11-23T00:00:00.000Z&endDate=2026-11-24T23:59:59.999Z&limit=31';
  assert.equal(rig.seen[0]?.path, `/api/organizations/acme/billing/usage/inference?${query}`);
  await using none = await serve(() => ({ status: 404, body: { error: 'no' } }));
  assert.equal(await readBill({ hubUrl: none.url, token: 'hf_test' }, 'alice', days), null);
  await using broken = await serve(() => ({ body: { what: 'else' } }));
  await assert.rejects(readBill({ hubUrl: broken.url, token: 'hf_test' }, 'acme', days), { code: 'unavailable' });
});
