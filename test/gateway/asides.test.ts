import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, chat, json, startRig, startUpstream } from './rig.ts';

test('a HEAD gets the answer of a GET without its body, length included', async () => {
  await using router = await startUpstream((res, { method }) => {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': 4_321 });
    res.end(method === 'HEAD' ? undefined : 'x'.repeat(4_321));
  });
  await using rig = await startRig({ router: router.url });
  for (const path of ['/v1/models', '/v1/models/acme/tiny', '/groq/openai/v1/models']) {
    const whole = await ask(rig.url, { method: 'GET', path });
    const head = await ask(rig.url, { method: 'HEAD', path });
    assert.equal(head.status, 200);
    assert.equal(head.body, '');
    assert.equal(head.headers['content-length'], '4321');
    assert.deepEqual({ ...head.headers, date: '' }, { ...whole.headers, date: '' });
  }
  assert.deepEqual(
    router.received.map(({ method }) => method),
    ['GET', 'HEAD', 'GET', 'HEAD', 'GET', 'HEAD'],
  );
});

test('the answer to a HEAD is well, whatever it says that its body would be', async () => {
  for (const type of ['application/json', 'text/event-stream', 'text/html']) {
    await using router = await startUpstream((res) => void res.writeHead(200, { 'content-type': type }).end());
    await using rig = await startRig({ router: router.url });
    await ask(rig.url, { method: 'HEAD', path: '/fal-ai/acme/tiny' });
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.isEmpty], ['ok', null], type);
  }
});

test('who only asks whether a server is there is told so, and no upstream and no row knows of it', async () => {
  await using router = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url });
  for (const method of ['GET', 'HEAD']) {
    for (const path of ['/', '/api/hello']) {
      assert.equal((await ask(rig.url, { method, path })).status, 200);
      const foreign = await ask(rig.url, { method, path, headers: { origin: 'https://evil.example' } });
      assert.notEqual(foreign.status, 200);
    }
  }
  assert.equal(router.received.length, 0);
  assert.equal(rig.calls.filter(({ status }) => status === 200).length, 0);
});

test('tokens are counted by serverless, in the lane of the model, and never by the endpoint', async () => {
  await using router = await startUpstream((res) => json(res, 200, { input_tokens: 7 }));
  await using endpoint = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const path = '/v1/messages/count_tokens?beta=true';
  assert.equal((await ask(rig.url, { path, body: chat() })).body, '{"input_tokens":7}');
  assert.equal(router.received[0]?.path, path);
  const [call] = rig.calls;
  assert.equal(call?.shape, 'native');
  assert.equal(call?.model, 'acme/tiny');
  assert.equal(call?.provider, null);
  assert.equal(call?.isEligible, false);
  assert.equal(endpoint.received.length, 0);
});

test('paths as people write them reach the upstream as the plain path', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  await using rig = await startRig({ router: `${router.url}/base` });
  for (const path of [
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/v1/chat/completions/',
    '///v1/chat///completions//',
  ]) {
    assert.equal((await ask(rig.url, { path, body: chat() })).status, 200, path);
    assert.equal(router.received.at(-1)?.path, '/base/v1/chat/completions');
  }
});

test('a body that begins with a byte order mark is read, and passed on byte for byte', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  await using rig = await startRig({ router: router.url });
  const body = `\uFEFF ${chat()}`;
  assert.equal((await ask(rig.url, { body })).status, 200);
  assert.equal(router.received[0]?.body, body);
  assert.equal(rig.calls[0]?.model, 'acme/tiny');
  assert.equal((await ask(rig.url, { body: `\uFEFF\uFEFF${chat()}` })).status, 400);
});
