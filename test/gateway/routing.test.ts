import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { GATEWAY_DEFAULTS } from '../../src/core/policy/gateway.ts';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const echo: Behaviour = (res, { body }) => {
  const { model, stream } = JSON.parse(body.startsWith('{') ? body : '{}') as { model?: string; stream?: boolean };
  if (stream !== true) return json(res, 200, chatAnswer(model ?? ''));
  res.writeHead(200, SSE);
  for (const byte of Buffer.from(chatEvents(model ?? '', ['Hel', 'lo']).join(''))) res.write(Buffer.from([byte]));
  res.end();
};

test('eligible calls go to the endpoint with the daemon’s token, without the client’s credentials', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const headers = { authorization: 'Bearer hf_client', cookie: 's=1', 'x-agent-id': 'a', 'accept-encoding': 'gzip' };
  const answer = await ask(rig.url, { body: chat({ model: `${MODEL}:fastest` }), headers });
  assert.equal(answer.headers['x-upshift-upstream'], 'dedicated');
  const [received] = endpoint.received;
  assert.equal(received?.headers.authorization, 'Bearer hf_daemon');
  assert.equal(received?.headers.cookie, undefined);
  assert.equal(received?.headers['x-agent-id'], undefined);
  assert.equal(received?.headers['accept-encoding'], 'identity');
  assert.equal(received?.headers.host, new URL(endpoint.url).host);
  assert.equal((JSON.parse(received?.body ?? '') as { model: string }).model, MODEL);
  const [call] = rig.calls;
  assert.equal(call?.role, 'canary');
  assert.equal(call?.isEligible, true);
  assert.equal(call?.rolloutId, 'r1');
  assert.equal(call?.step, 5);
  assert.equal(call?.weight, 1);
  assert.equal(call?.model, MODEL);
});

test('calls to serverless carry the client’s token and its suffix, under the router’s prefix', async () => {
  await using router = await startUpstream(echo);
  await using rig = await startRig({ router: `${router.url}/base/` });
  await ask(rig.url, {
    path: '/agents/a-7/v1/chat/completions',
    body: chat({ model: `${MODEL}:groq` }),
    headers: { authorization: 'Bearer hf_client' },
  });
  await ask(rig.url, { body: chat(), headers: { authorization: 'Bearer upshift' } });
  const [first, second] = router.received;
  assert.equal(first?.path, '/base/v1/chat/completions');
  assert.equal(first?.headers.authorization, 'Bearer hf_client');
  assert.equal((JSON.parse(first?.body ?? '') as { model: string }).model, `${MODEL}:groq`);
  assert.equal(second?.headers.authorization, 'Bearer hf_daemon');
  assert.equal(rig.calls[0]?.agent, 'a-7');
  assert.equal(rig.calls[0]?.model, MODEL);
  assert.match(rig.calls[1]?.agent ?? '', /^derived-/);
});

test('calls without any token are counted', async () => {
  await using router = await startUpstream(echo);
  await using rig = await startRig({ router: router.url, token: null });
  await ask(rig.url, { body: chat() });
  assert.equal(router.received[0]?.headers.authorization, undefined);
  assert.equal(rig.calls[0]?.hasNoToken, true);
  assert.equal(rig.gateway.counters.withoutToken, 1);
});

test('shapes that the endpoint has not answered before stay on serverless as ineligible', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const media = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:' } }] }];
  await ask(rig.url, { body: chat({ response_format: { type: 'json_object' } }) });
  await ask(rig.url, { body: chat({ messages: media }) });
  await ask(rig.url, { path: '/v1/completions', body: chat() });
  await ask(rig.url, { body: gzipSync(chat()), headers: { 'content-encoding': 'gzip' } });
  await ask(rig.url, { path: '/v1/models', method: 'GET' });
  assert.equal(endpoint.received.length, 0);
  assert.deepEqual(
    rig.arrivals.map((one) => [one.shape, one.role, one.isEligible, one.ineligibleReason]),
    [
      ['chat+structured', null, false, 'shape'],
      ['chat+media', null, false, 'media'],
      ['completion', null, false, 'shape'],
      ['chat', null, false, 'unchangeable'],
      // Without a model there is no endpoint that could have got it.
      ['models', null, false, undefined],
    ],
  );
  assert.equal(rig.arrivals[3]?.model, MODEL);
});

const part = (value: object) => chat({ messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, value] }] });
const LIMITS = { promptTokens: null, totalTokens: 1_000, bodyBytes: 20_000 };
const unfit: readonly (readonly [title: string, body: string, reason: string, shape: string])[] = [
  ['a picture', part({ type: 'image_url', image_url: { url: 'data:' } }), 'media', 'chat+media'],
  ['a video', part({ type: 'video_url', video_url: { url: 'https://x/y' } }), 'media', 'chat+media'],
  ['sound', part({ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }), 'media', 'chat+media'],
  ['sound by URL', part({ type: 'audio_url', audio_url: { url: 'data:' } }), 'media', 'chat+media'],
  ['an embedded picture', part({ type: 'image_embeds', image_embeds: 'AA' }), 'media', 'chat+media'],
  ['embedded sound', part({ type: 'audio_embeds', audio_embeds: 'AA' }), 'media', 'chat+media'],
  ['a file', part({ type: 'file', file: { file_data: 'data:' } }), 'media', 'chat+media'],
  ['a file that comes last', part({ file: { file_id: 'f' }, type: 'file' }), 'media', 'chat+media'],
  ['an answer in sound', chat({ modalities: ['text', 'audio'], audio: { voice: 'a' } }), 'media', 'chat+media'],
  ['a provider', chat({ model: `${MODEL}:groq` }), 'provider', 'chat'],
  ['a provider that nobody knows', chat({ model: `${MODEL}:nobody` }), 'provider', 'chat'],
  ['functions', chat({ functions: [{ name: 'f', parameters: {} }] }), 'shape', 'chat+tools'],
  ['a JSON schema of vLLM', chat({ guided_json: {} }), 'shape', 'chat+structured'],
  ['choices of vLLM', chat({ guided_choice: ['a'] }), 'shape', 'chat+structured'],
  ['a structure of vLLM', chat({ structured_outputs: { regex: 'a' } }), 'shape', 'chat+structured'],
  ['a regex of SGLang', chat({ regex: 'a' }), 'shape', 'chat+structured'],
  ['a grammar of llama.cpp', chat({ grammar: 'root ::= "a"' }), 'shape', 'chat+structured'],
  ['a long prompt', chat({ messages: [{ role: 'user', content: 'word '.repeat(2_000) }] }), 'too_long', 'chat'],
  ['a long answer', chat({ max_tokens: 1_000 }), 'too_long', 'chat'],
  ['a long answer by its new name', chat({ max_completion_tokens: 1_000 }), 'too_long', 'chat'],
  ['a large body', chat({ messages: [{ role: 'user', content: 'word '.repeat(5_000) }] }), 'too_large', 'chat'],
];
for (const [title, body, reason, shape] of unfit) {
  test(`${title} never goes to the endpoint: ${reason}`, async () => {
    await using router = await startUpstream(echo);
    await using endpoint = await startUpstream(echo);
    const canary = { shapes: new Set(['chat']), limits: LIMITS };
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
    assert.equal((await ask(rig.url, { body })).status, 200);
    assert.deepEqual([router.received.length, endpoint.received.length], [1, 0]);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.shape, call?.role, call?.isEligible, call?.ineligibleReason], [shape, null, false, reason]);
  });
}

for (const [what, shape, inMs, reason] of [
  ['a shape that the endpoint does not get for now', 'chat', 60_000, 'rejected'],
  ['a shape that it gets again', 'chat', -60_000, undefined],
  ['another shape', 'chat+stream', 60_000, undefined],
] as const) {
  test(`a call of ${what} is ${reason === undefined ? 'eligible' : 'not eligible'}`, async () => {
    await using router = await startUpstream(echo);
    await using endpoint = await startUpstream(echo);
    const canary = { shapes: new Set(['chat']), withheld: new Map([[shape, Date.now() + inMs]]) };
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
    await ask(rig.url, { body: chat() });
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.isEligible, call?.ineligibleReason], [reason === undefined, reason]);
  });
}

const fitting: readonly (readonly [title: string, more: Record<string, unknown>])[] = [
  ['a tool with a parameter that is called file', { tools: [{ type: 'function', function: { name: 'file' } }] }],
  ['a message that is the word file', { messages: [{ role: 'user', content: 'file' }] }],
  ['modalities without sound', { modalities: ['text'] }],
  ['no functions', { functions: [] }],
  ['nothing structured', { response_format: null, guided_json: null }],
  ...['fastest', 'cheapest', 'preferred', 'auto', 'Fastest'].map((choice): [string, Record<string, unknown>] => [
    `the choice ${choice} of the router`,
    { model: `${MODEL}:${choice}` },
  ]),
  ['a prompt that may just fit', { messages: [{ role: 'user', content: 'word '.repeat(1_500) }] }],
  ['an answer that may just fit', { max_tokens: 900 }],
];
for (const [title, more] of fitting) {
  test(`${title} does not keep a call from the endpoint`, async () => {
    await using router = await startUpstream(echo);
    await using endpoint = await startUpstream(echo);
    const canary = { shapes: new Set(['chat', 'chat+tools']), limits: LIMITS };
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
    await ask(rig.url, { body: chat(more) });
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.servedBy, call?.isEligible, call?.ineligibleReason], ['dedicated', true, undefined]);
  });
}

test('a share of the calls goes to the endpoint, and each answer names its upstream', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary: { weight: 0.5 } });
  await Promise.all(Array.from({ length: 200 }, () => ask(rig.url, { body: chat() })));
  assert.equal(router.received.length + endpoint.received.length, 200);
  assert.ok(endpoint.received.length > 60 && endpoint.received.length < 140, `${endpoint.received.length}`);
  assert.equal(rig.calls.filter((call) => call.role === 'canary').length, endpoint.received.length);
  assert.equal(new Set(rig.calls.map((call) => call.arrivedAtUs)).size, 200);
});

test('if the endpoint has another name for the model, it is replaced in the request and in the answer', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig({
    router: router.url,
    endpoint: endpoint.url,
    canary: { servedModel: '/repository' },
  });
  const whole = await ask(rig.url, { body: chat() });
  assert.deepEqual(JSON.parse(whole.body), chatAnswer(MODEL));
  assert.equal(Number(whole.headers['content-length']), Buffer.byteLength(whole.body));
  assert.equal((JSON.parse(endpoint.received[0]?.body ?? '') as { model: string }).model, '/repository');
  const streamed = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(streamed.body, chatEvents(MODEL, ['Hel', 'lo']).join(''));
  assert.equal(rig.calls[1]?.outputTokens, 2);
  assert.equal(router.received.length, 0);
});

const small = () => ({ ...GATEWAY_DEFAULTS, maxBody: 1000, oversized: 'reject' as const });

test('refuses what it cannot forward, and marks the answer as its own', async () => {
  await using router = await startUpstream(echo);
  await using rig = await startRig({ router: router.url, settings: small });
  const cases: [Parameters<typeof ask>[1], number, string][] = [
    [{ path: '/nowhere', body: '{}' }, 404, 'unknown_path'],
    [{ body: 'hello' }, 400, 'invalid_json'],
    [{ body: '{"messages":[]}' }, 400, 'model_missing'],
    [{ body: chat({ pad: 'x'.repeat(1000) }) }, 413, 'body_too_large'],
    [{ body: chat({ pad: 'x'.repeat(5000) }) }, 413, 'body_too_large'],
  ];
  for (const [asked, status, code] of cases) {
    const answer = await ask(rig.url, asked);
    assert.equal(answer.status, status);
    assert.equal(answer.headers['x-upshift-error'], code);
    assert.equal((JSON.parse(answer.body) as { error: { code: string } }).error.code, code);
  }
  assert.equal(router.received.length, 0);
  assert.equal(rig.calls.length, cases.length);
  assert.equal(rig.arrivals.length, 0);
  assert.ok(
    rig.calls.every((call) => call.outcome === 'gateway_error' && call.servedBy === null && call.attempts.length === 0),
  );
  assert.equal(rig.gateway.counters.refused, cases.length);
});

test('a provider’s own path and body are forwarded unchanged, and the model is read from body or path', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  await using rig = await startRig({ router: router.url });
  await ask(rig.url, { path: '/groq/openai/v1/chat/completions', body: chat() });
  await ask(rig.url, {
    path: '/models/acme/sound',
    body: Buffer.from([0, 255, 1]),
    headers: { 'content-type': 'audio/wav' },
  });
  assert.deepEqual(
    router.received.map((one) => one.path),
    ['/groq/openai/v1/chat/completions', '/hf-inference/models/acme/sound'],
  );
  assert.deepEqual(
    rig.calls.map((call) => [call.model, call.shape]),
    [
      [MODEL, 'native'],
      ['acme/sound', 'native'],
    ],
  );
});
