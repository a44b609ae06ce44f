import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const fine: Behaviour = (res, { body }) => {
  if (!body.includes('"stream":true')) return json(res, 200, chatAnswer(MODEL));
  res.writeHead(200, SSE);
  for (const event of chatEvents(MODEL, ['Hel', 'lo'])) res.write(event);
  res.end();
};

const failing: [string, Behaviour, string][] = [
  ['429', (res) => json(res, 429, { error: 'busy' }), 'rate_limited'],
  ['500', (res) => json(res, 500, { error: 'broken' }), 'server_error'],
  ['503', (res) => json(res, 503, { error: 'loading' }), 'unavailable'],
  ['401', (res) => json(res, 401, { error: 'who' }), 'unauthorized'],
  ['403', (res) => json(res, 403, { error: 'no' }), 'unauthorized'],
  ['410', (res) => json(res, 410, { error: 'gone' }), 'not_found'],
  [
    'paused',
    (res) => json(res, 400, { error: 'Bad Request: The endpoint is paused, ask a maintainer to restart it' }),
    'paused',
  ],
  ['invalid state', (res) => json(res, 400, { error: 'Bad Request: Invalid state', code: 'BAD_REQUEST' }), 'paused'],
  ['reset', (res) => res.destroy(), 'connect_failed'],
  ['large 500', (res) => json(res, 500, { error: 'x'.repeat(300_000) }), 'server_error'],
];

for (const [name, behave, outcome] of failing) {
  test(`falls back to serverless once if the endpoint fails with ${name}`, async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(behave);
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat() });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-upshift-upstream'], 'serverless');
    const [call] = await rig.recorded(1);
    assert.equal(call?.role, 'canary');
    assert.equal(call?.outcome, outcome);
    assert.equal(call?.finalOutcome, 'ok');
    assert.equal(call?.servedBy, 'serverless');
    assert.deepEqual(
      call?.attempts.map((one) => [one.upstream, one.outcome]),
      [
        ['dedicated', outcome],
        ['serverless', 'ok'],
      ],
    );
    assert.deepEqual(rig.failures, [{ outcome, upstream: 'dedicated' }]);
    assert.equal(rig.calls.length, 1);
    assert.equal(endpoint.received.length, 1);
  });
}

test('falls back if the endpoint refuses connections', async () => {
  await using router = await startUpstream(fine);
  const port = await freePort();
  await using rig = await startRig({ router: router.url, endpoint: `http://127.0.0.1:${port}` });
  assert.equal((await ask(rig.url, { body: chat() })).status, 200);
  assert.equal(rig.calls[0]?.outcome, 'connect_failed');
  assert.equal(rig.gateway.counters.fallbacks, 1);
});

test('falls back if the endpoint’s first byte is late', async () => {
  await using router = await startUpstream(fine);
  await using endpoint = await startUpstream(() => undefined);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, timeouts: { firstByteMs: 100 } });
  assert.equal((await ask(rig.url, { body: chat() })).status, 200);
  assert.equal(rig.calls[0]?.outcome, 'first_byte_timeout');
});

test('if the fallback fails as well, the client gets its error, and the first outcome stays', async () => {
  await using router = await startUpstream((res) => json(res, 503, { error: 'loading' }));
  await using endpoint = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const answer = await ask(rig.url, { body: chat() });
  assert.equal(answer.status, 502);
  assert.equal(answer.headers['retry-after'], '5');
  assert.equal(answer.headers['x-upshift-error'], 'upstream_unavailable');
  const [call] = rig.calls;
  assert.equal(call?.outcome, 'server_error');
  assert.equal(call?.finalOutcome, 'unavailable');
  assert.equal(call?.servedBy, null);
  assert.equal(call?.status, 502);
});

test('never retries after a byte has reached the client, but closes the client’s connection', async () => {
  await using router = await startUpstream(fine);
  await using endpoint = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write(chatEvents(MODEL, ['Hel'])[1]);
    setImmediate(() => res.destroy());
  });
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.isComplete, false);
  assert.match(answer.body, /Hel/);
  const [call] = await rig.recorded(1);
  assert.equal(call?.outcome, 'broken_stream');
  assert.equal(call?.status, 200);
  assert.equal(router.received.length, 0);
});

test('a stream that stalls is cut and recorded as idle', async () => {
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write(chatEvents(MODEL, ['Hel'])[1]);
  });
  await using rig = await startRig({
    router: router.url,
    timeouts: { serverless: { betweenChunksMs: 100, totalMs: 60_000 } },
  });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.isComplete, false);
  assert.equal((await rig.recorded(1))[0]?.outcome, 'idle_timeout');
});

test('an answer that is shorter than its declared length is an error', async () => {
  await using router = await startUpstream((res) => {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
    res.write('{"half":');
    setImmediate(() => res.destroy());
  });
  await using rig = await startRig({ router: router.url });
  const answer = await ask(rig.url, { body: chat() });
  assert.equal(answer.status, 502);
  assert.equal(rig.calls[0]?.outcome, 'broken_stream');
});

test('a large answer that breaks off also breaks off for the client', async () => {
  await using router = await startUpstream((res) => {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': '600000' });
    res.write('x'.repeat(400_000), () => res.destroy());
  });
  await using rig = await startRig({ router: router.url });
  const answer = await ask(rig.url, { body: chat() });
  assert.equal(answer.isComplete, false);
  assert.equal((await rig.recorded(1))[0]?.finalOutcome, 'broken_stream');
});

test('the client gets a 502 if serverless cannot be reached, a 504 if it is late, and its 429 unchanged', async () => {
  const port = await freePort();
  await using rig = await startRig({ router: `http://127.0.0.1:${port}` });
  const refused = await ask(rig.url, { body: chat() });
  assert.equal(refused.status, 502);
  assert.deepEqual(Object.keys((JSON.parse(refused.body) as { error: object }).error), ['message', 'type', 'code']);
  assert.equal(rig.calls[0]?.outcome, 'connect_failed');
  await using limited = await startUpstream((res) =>
    json(res, 429, { error: 'rate' }, { 'retry-after': '7', ratelimit: '"api";r=0;t=9' }),
  );
  await using second = await startRig({ router: limited.url });
  const answer = await ask(second.url, { body: chat() });
  assert.equal(answer.status, 429);
  assert.equal(answer.body, '{"error":"rate"}');
  assert.equal(answer.headers['retry-after'], '7');
  assert.equal(answer.headers['ratelimit'], '"api";r=0;t=9');
  assert.equal(second.calls[0]?.outcome, 'rate_limited');
  await using stalled = await startUpstream((res) => {
    res.writeHead(200, { 'content-length': '10' });
    res.write('x');
  });
  await using third = await startRig({
    router: stalled.url,
    timeouts: { serverless: { betweenChunksMs: 100, totalMs: 60_000 } },
  });
  assert.equal((await ask(third.url, { body: chat() })).status, 504);
});

test('an answer that does not end is cut, and is a fault of its upstream', async () => {
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    const talking = setInterval(() => res.write('data: {"choices":[{"delta":{"content":"and "}}]}\n\n'), 10);
    res.on('close', () => clearInterval(talking));
  });
  await using rig = await startRig({
    router: router.url,
    timeouts: { serverless: { betweenChunksMs: 60_000, totalMs: 200 } },
  });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.deepEqual([answer.status, answer.isComplete], [200, false]);
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.attempts[0]?.outcome], ['total_timeout', 'total_timeout']);
});

test('a repeat of a refused body is not counted as new demand', async () => {
  let status = 429;
  await using router = await startUpstream((res) => json(res, status, chatAnswer(MODEL)));
  await using rig = await startRig({ router: router.url });
  const headers = { 'x-agent-id': 'a' };
  await ask(rig.url, { body: chat(), headers });
  await ask(rig.url, { body: chat(), headers });
  await ask(rig.url, { body: chat({ n: 2 }), headers });
  await ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'b' } });
  status = 200;
  await ask(rig.url, { body: chat(), headers });
  await ask(rig.url, { body: chat(), headers });
  rig.clock.advance(61_000);
  await ask(rig.url, { body: chat({ n: 2 }), headers });
  const first = rig.calls[0]?.arrivedAtUs;
  assert.deepEqual(
    rig.calls.map((call) => call.repeatOfUs),
    [null, first, null, null, first, null, null],
  );
  assert.deepEqual(
    rig.arrivals.map((one) => one.isRepeat),
    [false, true, false, false, true, false, false],
  );
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
