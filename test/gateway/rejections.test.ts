import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const WHOLE = JSON.stringify(chatAnswer(MODEL));
const fine: Behaviour = (res) => json(res, 200, chatAnswer(MODEL));
const rejects =
  (status: number): Behaviour =>
  (res) =>
    json(res, status, { error: { message: `${status} from the endpoint` } });

/** Some of every kind: for what is wrong with the request, the path, the caller's credits, the endpoint's memory. */
const REJECTING = [400, 402, 404, 405, 408, 413, 415, 421, 422, 424, 431, 499, 501, 505];

for (const status of REJECTING) {
  test(`serverless answers a call that the endpoint rejects with ${status}: the endpoint was wrong`, async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(rejects(status));
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, answer.body], [200, WHOLE]);
    assert.equal(answer.headers['x-upshift-upstream'], 'serverless');
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.finalOutcome], ['rejected_by_endpoint', 'ok']);
    assert.deepEqual(
      call?.attempts.map((each) => [each.upstream, each.status, each.outcome]),
      [
        ['dedicated', status, 'rejected_by_endpoint'],
        ['serverless', 200, 'ok'],
      ],
    );
    assert.deepEqual(rig.failures, [{ outcome: 'rejected_by_endpoint', upstream: 'dedicated' }]);
    assert.deepEqual([endpoint.received.length, router.received.length], [1, 1]);
  });

  test(`a call that both reject, the endpoint with ${status}, is the caller’s mistake`, async () => {
    await using router = await startUpstream((res) => json(res, 422, { error: 'no' }));
    await using endpoint = await startUpstream(rejects(status));
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, answer.body], [422, '{"error":"no"}']);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.finalOutcome], ['client_error', 'client_error']);
    assert.deepEqual(rig.failures, [{ outcome: 'client_error', upstream: 'dedicated' }]);
  });
}

const TOO_LONG: readonly (readonly [engine: string, status: number, body: object])[] = [
  [
    'vLLM',
    400,
    { error: { message: "This model's maximum context length is 100 tokens. However, you requested 600" } },
  ],
  ['SGLang', 400, { message: "The input (500 tokens) is longer than the model's context length (100 tokens)." }],
  ['llama.cpp', 400, { error: { message: 'request (500 tokens) exceeds the available context size (100 tokens)' } }],
  ['TGI', 422, { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 100. Given: 500' }],
];
for (const [engine, status, body] of TOO_LONG) {
  test(`${engine} gets no call any more that is as long as one that it rejected as too long`, async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream((res, got) =>
      got.body.length > 300 ? json(res, status, body) : json(res, 200, chatAnswer(MODEL)),
    );
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const long = chat({ messages: [{ role: 'user', content: 'word '.repeat(300) }] });
    for (const each of [long, long, chat()]) assert.equal((await ask(rig.url, { body: each })).body, WHOLE);
    assert.deepEqual(
      (await rig.recorded(3)).map(({ outcome, ineligibleReason, servedBy }) => [outcome, ineligibleReason, servedBy]),
      [
        ['rejected_by_endpoint', undefined, 'serverless'],
        ['ok', 'too_long', 'serverless'],
        ['ok', undefined, 'dedicated'],
      ],
    );
  });
}

/** What serverless does that shows nothing about the endpoint. */
const NO_BETTER: readonly (readonly [what: string, behave: Behaviour, outcome: string])[] = [
  ['has no place', rejects(429), 'rate_limited'],
  ['fails', rejects(500), 'server_error'],
  ['is unavailable', rejects(503), 'unavailable'],
  ['does not know the token', rejects(401), 'unauthorized'],
  ['has no credits left', rejects(402), 'no_credits'],
  ['cannot be reached', (res) => res.destroy(), 'connect_failed'],
];

for (const [what, behave, outcome] of NO_BETTER) {
  test(`if serverless ${what}, the client gets the endpoint’s own rejection, and nobody is blamed`, async () => {
    await using router = await startUpstream(behave);
    await using endpoint = await startUpstream((res) => json(res, 400, { error: `too long ${'x'.repeat(40_000)}` }));
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat() });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /^{"error":"too long x{40000}"}$/);
    assert.equal(answer.headers['x-upshift-upstream'], 'dedicated');
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.servedBy, call?.status], ['client_error', 'dedicated', 400]);
    assert.deepEqual(
      call?.attempts.map((each) => each.outcome),
      ['client_error', outcome],
    );
    assert.equal(router.received.length, 1);
  });
}

test('a rejection that is too large to keep still reaches the client whole', async () => {
  const body = 'x'.repeat(900_000);
  await using router = await startUpstream(rejects(429));
  await using endpoint = await startUpstream((res) => json(res, 422, body));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const answer = await ask(rig.url, { body: chat() });
  assert.deepEqual([answer.status, answer.body.length], [422, body.length + 2]);
});

test('a paused endpoint has rejected nothing: the client gets what serverless says', async () => {
  for (const [behave, status] of [
    [fine, 200],
    [rejects(429), 429],
  ] as const) {
    await using router = await startUpstream(behave);
    await using endpoint = await startUpstream((res) =>
      json(res, 400, { error: 'Bad Request: The endpoint is paused' }),
    );
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    assert.equal((await ask(rig.url, { body: chat() })).status, status);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.servedBy], ['paused', 'serverless']);
  }
});

test('a client that leaves before serverless has answered leaves the rejection undecided', async () => {
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
  await using router = await startUpstream(() => asked());
  await using endpoint = await startUpstream(rejects(404));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const leaving = new AbortController();
  const call = fetch(`${rig.url}/v1/chat/completions`, { method: 'POST', body: chat(), signal: leaving.signal });
  await isAsked;
  leaving.abort();
  await assert.rejects(call);
  const [row] = await rig.recorded(1);
  assert.deepEqual([row?.outcome, row?.finalOutcome], ['client_left', 'client_left']);
});

test('a rejection whose body does not come is one all the same', async () => {
  await using router = await startUpstream(fine);
  await using endpoint = await startUpstream((res) => {
    res.writeHead(422, { 'content-type': 'application/json' });
    res.write('{"error":');
  });
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, timeouts: { betweenChunksMs: 1 } });
  assert.equal((await ask(rig.url, { body: chat() })).status, 200);
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.finalOutcome], ['rejected_by_endpoint', 'ok']);
});
