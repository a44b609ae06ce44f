import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handClock } from '../clocks.ts';
import { LLAMA, MINILM, chat, endpointBody, send, startEndpoint, startFast, until } from '../support.ts';

test('vLLM serves the repository by its name, or by the name in --served-model-name', async () => {
  await using sim = await startFast();
  const plain = await startEndpoint(sim, endpointBody('plain'));
  assert.equal((await send('GET', `${plain}/v1/models`)).json.data[0].id, LLAMA);
  assert.equal((await send('POST', `${plain}/v1/chat/completions`, chat())).status, 200);
  const args = ['--served-model-name', 'short', 'other', '--max-num-seqs', '8'];
  const named = await startEndpoint(sim, endpointBody('named', { model: { args } }));
  assert.equal((await send('GET', `${named}/v1/models`)).json.data[0].id, 'short');
  assert.equal((await send('POST', `${named}/v1/completions`, { model: 'other', prompt: 'a' })).json.model, 'other');
  const wrong = await send('POST', `${named}/v1/chat/completions`, chat());
  assert.equal(wrong.status, 404);
  const message = `The model \`${LLAMA}\` does not exist.`;
  assert.deepEqual(wrong.json, { error: { message, type: 'NotFoundError', param: 'model', code: 404 } });
});

test('tools need the flag that switches them on', async () => {
  await using sim = await startFast();
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  const without = await startEndpoint(sim, endpointBody('without'));
  const refused = await send('POST', `${without}/v1/chat/completions`, chat({ tools }));
  assert.deepEqual([refused.status, refused.json.error.type], [400, 'BadRequestError']);
  const args = ['--enable-auto-tool-choice', '--tool-call-parser', 'llama3_json'];
  const url = await startEndpoint(sim, endpointBody('with', { model: { args } }));
  assert.equal((await send('POST', `${url}/v1/chat/completions`, chat({ tools }))).status, 200);
});

test('an embedding model embeds and does not chat', async () => {
  await using sim = await startFast();
  const model = { repository: MINILM, task: 'feature-extraction' };
  const url = await startEndpoint(sim, endpointBody('embed', { model }));
  const { json } = await send('POST', `${url}/v1/embeddings`, { model: MINILM, input: 'a' });
  assert.equal(json.data[0].embedding.length, 384);
  assert.equal((await send('POST', `${url}/v1/chat/completions`, chat({ model: MINILM }))).status, 400);
  const tei = { ...model, image: { tei: { url: 'a' } } };
  const other = await startEndpoint(sim, endpointBody('tei', { model: tei }));
  assert.equal((await send('POST', `${other}/v1/embeddings`, { model: 'any', input: 'a' })).json.model, '/repository');
  assert.equal((await send('POST', other, { inputs: 'a' })).json.length, 384);
});

test('a token is needed and must have the right', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  const denied = await send('GET', `${url}/health`, undefined, 'hf_bad');
  assert.deepEqual([denied.status, denied.json], [401, { error: '401 Unauthorized', code: 'UNAUTHORIZED' }]);
  assert.equal((await send('GET', `${url}/health`, undefined, 'hf_nocall')).status, 403);
});

test('a paused endpoint answers 400 and stays paused', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme/one/pause`);
  const { status, json } = await send('POST', `${url}/v1/chat/completions`, chat());
  assert.deepEqual([status, json.code], [400, 'BAD_REQUEST']);
  assert.match(json.error, /paused/);
  assert.equal(sim.state().endpoints[0]?.state, 'paused');
});

test('an idle endpoint scales to zero, costs nothing, and the first call wakes it', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock });
  const scaling = { minReplica: 0, maxReplica: 1, scaleToZeroTimeout: 15 };
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one', { scaling }));
  clock.advance(120_000 + 15 * 60_000);
  const [report] = sim.state().endpoints;
  assert.equal(report?.state, 'scaledToZero');
  const spent = sim.spentMicroDollars('one');
  clock.advance(3_600_000);
  assert.equal(sim.spentMicroDollars('one'), spent);
  const url = report?.url ?? '';
  const first = await send('GET', `${url}/health`);
  assert.deepEqual([first.status, first.json.code], [503, 'SERVICE_UNAVAILABLE']);
  clock.advance(42_000);
  assert.equal((await send('GET', `${url}/health`)).status, 200);
});

test('with X-Scale-Up-Timeout the proxy holds the first call', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme/one/scale-to-zero`);
  const headers = { authorization: 'Bearer hf_test', 'x-scale-up-timeout': '600' };
  assert.equal((await fetch(`${url}/health`, { headers })).status, 200);
});

test('calls beyond the capacity of the replicas wait in a queue, and leave it if their client leaves', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock, limits: { replicaCalls: 2 } });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one'));
  clock.advance(140_000);
  const report = () => sim.state().endpoints[0];
  const url = `${report()?.url}/v1/chat/completions`;
  const working = [send('POST', url, chat()), send('POST', url, chat())];
  await until(() => report()?.inFlight === 2);
  const third = send('POST', url, chat());
  await until(() => report()?.queued === 1);
  const leaving = new AbortController();
  const headers = { authorization: 'Bearer hf_test' };
  const fourth = fetch(url, { method: 'POST', headers, body: JSON.stringify(chat()), signal: leaving.signal });
  await until(() => report()?.queued === 2);
  leaving.abort();
  await assert.rejects(fourth);
  await until(() => report()?.queued === 1);
  clock.advance(60_000);
  for (const answer of working) assert.equal((await answer).status, 200);
  await until(() => report()?.queued === 0 && report()?.inFlight === 1);
  clock.advance(60_000);
  assert.equal((await third).status, 200);
  await until(() => report()?.inFlight === 0);
});

test('a dead endpoint refuses connections while the API shows it as running, and may come back', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await send('POST', `${sim.controlUrl}/faults`, { target: 'endpoint', kind: 'dies' });
  await assert.rejects(send('GET', `${url}/health`));
  assert.equal(sim.state().endpoints[0]?.state, 'running');
  await send('POST', `${sim.controlUrl}/faults`, { clear: true, target: 'endpoint' });
  assert.equal((await send('GET', `${url}/health`)).status, 200);
});

test('the fault `dies` breaks the streams that have begun', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one'));
  clock.advance(140_000);
  const url = `${sim.state().endpoints[0]?.url}/v1/chat/completions`;
  const answer = send('POST', url, chat({ stream: true }));
  await until(() => sim.state().endpoints[0]?.inFlight === 1);
  await sim.setFault({ target: 'endpoint', kind: 'dies' });
  await assert.rejects(answer);
});

test('the fault `refuses` cuts the calls that wait and lets begun streams end', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one'));
  clock.advance(140_000);
  const url = `${sim.state().endpoints[0]?.url}/v1/chat/completions`;
  const headers = { authorization: 'Bearer hf_test' };
  const stream = chat({ stream: true, max_tokens: 400 });
  const begun = fetch(url, { method: 'POST', headers, body: JSON.stringify(stream) });
  await until(() => sim.state().endpoints[0]?.inFlight === 1);
  clock.advance(4_000);
  const response = await begun;
  const waiting = send('POST', url, chat());
  await until(() => sim.state().endpoints[0]?.inFlight === 2);
  await sim.setFault({ target: 'endpoint', kind: 'refuses' });
  await assert.rejects(waiting);
  const text = response.text();
  let isOver = false;
  void text.finally(() => (isOver = true));
  await until(() => {
    clock.advance(1_000);
    return isOver;
  });
  assert.match(await text, /\[DONE\]/);
  await assert.rejects(send('POST', url, chat()));
});

test('faults hit only the endpoint that they name', async () => {
  await using sim = await startFast();
  const one = await startEndpoint(sim, endpointBody('one'));
  const two = await startEndpoint(sim, endpointBody('two'));
  const call = async (url: string) => (await send('POST', `${url}/v1/chat/completions`, chat())).status;
  await sim.setFault({ target: 'endpoint', kind: 'errors', name: 'one' });
  assert.deepEqual([await call(one), await call(two)], [500, 200]);
  await sim.clearFaults();
  await sim.setFault({ target: 'endpoint', kind: 'ratelimits' });
  assert.equal(await call(one), 429);
  await sim.clearFaults();
  await sim.setFault({ target: 'endpoint', kind: 'unhealthy' });
  assert.deepEqual([(await send('GET', `${one}/health`)).status, await call(one)], [503, 200]);
  await sim.clearFaults();
  await sim.setFault({ target: 'endpoint', kind: 'cuts' });
  await assert.rejects(send('POST', `${one}/v1/chat/completions`, chat({ stream: true, max_tokens: 400 })));
  await sim.clearFaults();
  await sim.setFault({ target: 'endpoint', kind: 'hangs' });
  const signal = AbortSignal.timeout(50);
  await assert.rejects(fetch(`${one}/health`, { signal, headers: { authorization: 'Bearer hf_test' } }));
  await sim.clearFaults();
  await sim.setFault({ target: 'endpoint', kind: 'fails', name: 'two' });
  assert.deepEqual([await call(one), await call(two)], [200, 503]);
});

test('a fault with a share hits about that share of calls', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await sim.setFault({ target: 'endpoint', kind: 'errors', share: 0.3 });
  const calls = Array.from({ length: 200 }, () => send('POST', `${url}/v1/chat/completions`, chat({ max_tokens: 1 })));
  const failed = (await Promise.all(calls)).filter((answer) => answer.status === 500).length;
  assert.ok(failed > 35 && failed < 85, `${failed} of 200`);
});
