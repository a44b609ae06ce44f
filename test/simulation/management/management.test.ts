import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handClock } from '../clocks.ts';
import { endpointBody, send, startFast } from '../support.ts';

async function setUp() {
  const clock = handClock();
  const sim = await startFast({ clock });
  const base = `${sim.endpointsUrl}/v2/endpoint/acme`;
  const status = async (name: string) => (await send('GET', `${base}/${name}`)).json.status;
  return { clock, sim, base, status, [Symbol.asyncDispose]: () => sim.close() };
}

test('an endpoint is pending, then initializing, then running, and healthy only later', async () => {
  await using setting = await setUp();
  const { clock, sim, base, status } = setting;
  const created = await send('POST', base, endpointBody('one'));
  assert.deepEqual([created.status, created.json.status.state, created.json.status.url], [200, 'pending', null]);
  assert.deepEqual(created.json.model.secrets, { HF_TOKEN: null });
  clock.advance(20_000);
  const { state, url, readyReplica, targetReplica } = await status('one');
  assert.deepEqual([state, readyReplica, targetReplica], ['initializing', 0, 1]);
  assert.equal((await send('GET', `${url}/health`)).status, 503);
  clock.advance(100_000);
  assert.deepEqual([(await status('one')).state, (await status('one')).readyReplica], ['running', 1]);
  assert.equal((await send('GET', `${url}/health`)).status, 503);
  clock.advance(15_000);
  assert.equal((await send('GET', `${url}/health`)).status, 200);
  const states = sim.state().endpoints[0]?.history.map((each) => each.state);
  assert.deepEqual(states, ['pending', 'initializing', 'running']);
});

test('each clock minute in which the endpoint initialized or ran is billed as a whole for every replica, and no other minute is billed', async () => {
  await using setting = await setUp();
  const { clock, sim, base } = setting;
  // The clock stands at 20 s past the minute.
  await send('POST', base, endpointBody('one', { scaling: { minReplica: 2, maxReplica: 2 } }));
  clock.advance(19_999);
  assert.equal(sim.spentMicroDollars('one'), 0);
  clock.advance(1);
  assert.equal(sim.spentMicroDollars('one'), 26_667);
  clock.advance(19_999);
  assert.equal(sim.spentMicroDollars('one'), 26_667);
  clock.advance(1);
  assert.equal(sim.spentMicroDollars('one'), 53_333);
  clock.advance(58 * 60_000);
  assert.equal(sim.spentMicroDollars('one'), 1_600_000);
  await send('POST', `${base}/one/pause`);
  // It is paused exactly at the start of a minute, so that this minute does not count.
  assert.equal(sim.spentMicroDollars('one'), 1_573_333);
  clock.advance(3_600_000);
  assert.equal(sim.spentMicroDollars('one'), 1_573_333);
  await send('POST', `${base}/one/resume`);
  clock.advance(20_000 + 50_000);
  await send('DELETE', `${base}/one`);
  clock.advance(3_600_000);
  assert.equal(sim.spentMicroDollars('one'), 1_626_667);
  assert.equal(sim.state().spentMicroDollars, 1_626_667);
});

test('the graph of replicas counts the minutes that the meter counts', async () => {
  await using setting = await setUp();
  const { clock, sim, base } = setting;
  await send('POST', base, endpointBody('one', { scaling: { minReplica: 2, maxReplica: 2 } }));
  const start = clock.now();
  clock.advance(10 * 60_000);
  await send('POST', `${base}/one/pause`);
  clock.advance(10 * 60_000);
  const span = { start: new Date(start).toISOString(), stop: new Date(clock.now()).toISOString() };
  const { json } = await send('POST', `${base}/one/metrics`, span);
  const counts = new Map<number, number>();
  for (const { data } of json.replicasRunning.series) {
    for (const { x, y } of data) counts.set(x, Math.max(counts.get(x) ?? 0, y));
  }
  assert.equal(counts.size, 21);
  const minutes = [...counts.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(Math.round((minutes * 800_000) / 60), sim.spentMicroDollars('one'));
  assert.equal((await send('POST', `${base}/one/metrics`, { start: 'x' })).status, 400);
});

test('an endpoint can be listed, paused, resumed, scaled to zero and deleted', async () => {
  await using setting = await setUp();
  const { clock, sim, base, status } = setting;
  await send('POST', base, endpointBody('one'));
  await send('POST', base, endpointBody('two'));
  const page = await send('GET', `${base}?limit=1`);
  assert.deepEqual([page.json.items.length, page.json.totalItems], [1, 2]);
  const rest = await send('GET', `${base}?limit=1&cursor=${page.json.nextCursor}`);
  assert.deepEqual([rest.json.items[0].name, rest.json.nextCursor], ['two', null]);
  clock.advance(140_000);
  const again = await send('POST', `${base}/one/resume`);
  assert.equal(again.status, 400);
  assert.match(again.text, /already running/);
  assert.equal((await send('POST', `${base}/one/pause`)).json.status.state, 'paused');
  assert.ok((await status('one')).url);
  assert.equal((await send('POST', `${base}/one/resume`)).json.status.state, 'pending');
  assert.equal((await send('POST', `${base}/two/scale-to-zero`)).json.status.state, 'scaledToZero');
  assert.equal((await send('DELETE', `${base}/two`)).status, 200);
  assert.equal((await send('GET', `${base}/two`)).status, 404);
  assert.equal(sim.state().created, 2);
});

test('a second endpoint with the same name is refused', async () => {
  await using setting = await setUp();
  const { base, sim } = setting;
  const both = await Promise.all([send('POST', base, endpointBody('one')), send('POST', base, endpointBody('one'))]);
  assert.deepEqual(new Set(both.map((each) => each.status)), new Set([200, 409]));
  assert.equal(sim.state().created, 1);
});

test('a wrong body is refused with the text of the real API', async () => {
  await using setting = await setUp();
  const { base } = setting;
  const cases: [object, RegExp][] = [
    [endpointBody('Upper'), /name/],
    [endpointBody('x'.repeat(33)), /name/],
    [endpointBody('a', { scaling: { minReplica: 0, scaleToZeroTimeout: 14 } }), /between 15 and 2880/],
    [endpointBody('a', { scaling: { scaleToZeroTimeout: 15 } }), /only allowed with minReplica 0/],
    [endpointBody('a', { scaling: { measure: { hardwareUsage: 80, pendingRequests: 1 } } }), /exactly one/],
    [endpointBody('a', { model: { task: null } }), /model\.task: expected value/],
    [endpointBody('a', { model: { image: { vLLM: {} } } }), /model\.image\.vLLM: missing field `url`/],
    [endpointBody('a', { model: { image: { vLLM: { url: 'a' }, tgi: { url: 'a' } } } }), /exactly one variant/],
    [endpointBody('a', { model: { image: { nonsense: {} } } }), /unknown variant/],
    [endpointBody('a', { compute: { instanceType: 'nvidia-z9' } }), /nvidia-z9 x1 does not exist/],
    [endpointBody('a', { compute: { instanceSize: 'x4' } }), /tensorParallelSize/],
  ];
  for (const [body, reason] of cases) {
    const { status, text } = await send('POST', base, body);
    assert.equal(status, 400, text);
    assert.match(text, reason);
  }
  assert.equal((await send('POST', base, '{')).status, 400);
});

test('an unknown type becomes private without an error', async () => {
  await using setting = await setUp();
  const { base } = setting;
  const { status, json } = await send('POST', base, { ...endpointBody('one'), type: 'protected' });
  assert.deepEqual([status, json.type], [200, 'private']);
});

test('a change merges, replaces the arguments, takes the endpoint off the air, and keeps the engine', async () => {
  await using setting = await setUp();
  const { clock, base, status } = setting;
  await send('POST', base, endpointBody('one', { model: { args: ['--a'] } }));
  clock.advance(140_000);
  const body = { model: { args: ['--b'] }, compute: { scaling: { maxReplica: 3 } } };
  const { json } = await send('PUT', `${base}/one`, body);
  assert.deepEqual([json.model.args, json.compute.scaling.minReplica, json.status.state], [['--b'], 1, 'updating']);
  clock.advance(50_000);
  assert.equal((await status('one')).state, 'running');
  const other = await send('PUT', `${base}/one`, { model: { image: { tgi: { url: 'a' } } } });
  assert.equal(other.status, 400);
});

test('the API shows prices, availability and quota, and enforces the quota', async () => {
  await using setting = await setUp();
  const { sim, base, clock } = setting;
  const l4 = async () => {
    const { json } = await send('GET', `${sim.endpointsUrl}/v2/provider/acme`);
    const region = json.vendors[0].regions.find((each: { name: string }) => each.name === 'us-east-1');
    return region.computes.find((each: { id: string }) => each.id === 'aws-us-east-1-nvidia-l4-x1');
  };
  assert.deepEqual([(await l4()).pricePerHour, (await l4()).status], [0.8, 'available']);
  for (const name of ['a', 'b', 'c', 'd']) assert.equal((await send('POST', base, endpointBody(name))).status, 200);
  assert.deepEqual((await l4()).quota, { maxAccelerators: 4, usedAccelerators: 4 });
  const fifth = await send('POST', base, endpointBody('e'));
  assert.deepEqual([fifth.status, /Quota exceeded/.test(fifth.text)], [400, true]);
  clock.advance(140_000);
  await send('POST', `${base}/a/scale-to-zero`);
  assert.equal((await l4()).quota.usedAccelerators, 4);
  await send('POST', `${base}/a/pause`);
  assert.equal((await l4()).quota.usedAccelerators, 3);
  const anyone = await fetch(`${sim.endpointsUrl}/v2/provider`);
  assert.equal(anyone.status, 200);
});

test('tokens without the right, the credit or the namespace are refused', async () => {
  await using setting = await setUp();
  const { sim, base } = setting;
  assert.equal((await send('GET', base, undefined, 'hf_bad')).status, 401);
  assert.equal((await send('GET', base, undefined, 'hf_nomanage')).status, 403);
  assert.equal((await send('GET', `${sim.endpointsUrl}/v2/endpoint/others`)).status, 404);
  const poor = await send('POST', base, endpointBody('one'), 'hf_nopay');
  assert.deepEqual([poor.status, /Payment method required/.test(poor.text)], [403, true]);
});

test('each management fault makes its requests fail', async () => {
  await using setting = await setUp();
  const { clock, sim, base, status } = setting;
  await sim.setFault({ target: 'management', kind: 'payment' });
  assert.equal((await send('POST', base, endpointBody('a'))).status, 403);
  await sim.clearFaults();
  await sim.setFault({ target: 'management', kind: 'quota' });
  assert.match((await send('POST', base, endpointBody('a'))).text, /Quota exceeded/);
  await sim.clearFaults();
  await send('POST', base, endpointBody('a'));
  await sim.setFault({ target: 'management', kind: 'capacity' });
  await send('POST', base, endpointBody('b'));
  clock.advance(20_000);
  for (const name of ['a', 'b']) {
    const { state, errorMessage } = await status(name);
    assert.deepEqual([state, /capacity/.test(errorMessage)], ['failed', true]);
  }
  await sim.setFault({ target: 'management', kind: 'down' });
  await assert.rejects(send('GET', base));
  await sim.clearFaults();
  assert.equal((await send('GET', base)).status, 200);
  assert.equal(sim.spentMicroDollars('a'), 0);
});

test('a model that does not exist, is gated or does not fit the machine fails after it has cost money', async () => {
  await using setting = await setUp();
  const { clock, sim, base, status } = setting;
  await send('POST', base, endpointBody('gone', { model: { repository: 'no/such' } }));
  await send('POST', base, endpointBody('big', { compute: { instanceType: 'nvidia-t4' } }));
  clock.advance(120_000);
  assert.match((await status('gone')).errorMessage, /no\/such/);
  assert.match((await status('big')).errorMessage, /out of memory/);
  assert.ok(sim.spentMicroDollars('big') > 0);
});

test('every field that the python client reads is there', async () => {
  await using setting = await setUp();
  const { base } = setting;
  const { json } = await send('POST', base, endpointBody('one', { scaling: { measure: { pendingRequests: 1.5 } } }));
  const { name, type, model, compute, provider, status } = json;
  assert.deepEqual([name, type, provider], ['one', 'authenticated', { vendor: 'aws', region: 'us-east-1' }]);
  assert.deepEqual([model.framework, model.task, model.env], ['pytorch', 'text-generation', {}]);
  assert.match(model.revision, /^[0-9a-f]{40}$/);
  assert.deepEqual([compute.scaling.metric, compute.scaling.threshold], ['pendingRequests', 1.5]);
  assert.deepEqual([status.targetReplica, status.readyReplica, status.createdBy.name], [1, 0, 'acme']);
  for (const time of [status.createdAt, status.updatedAt]) assert.match(time, /^\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z$/);
});
