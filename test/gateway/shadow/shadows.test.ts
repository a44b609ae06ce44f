import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrival, Shadow } from '../../../src/core/call.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { ShadowShare } from '../../../src/core/route.ts';
import { Forms } from '../../../src/gateway/form/forms.ts';
import type { IncomingCall } from '../../../src/gateway/request/incoming-call.ts';
import { Copy } from '../../../src/gateway/shadow/copy.ts';
import { EndpointGates } from '../../../src/gateway/overflow/endpoint-gates.ts';
import type { OutboundRequest } from '../../../src/gateway/attempt/outbound.ts';
import type { Shared } from '../../../src/gateway/shared.ts';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, recorder, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig, RigOptions } from '../rig.ts';

const echo: Behaviour = (res, { body }) => {
  const { model, stream } = JSON.parse(body) as { model: string; stream?: boolean };
  if (stream !== true) return json(res, 200, chatAnswer(model));
  res.writeHead(200, SSE);
  for (const event of chatEvents(model, ['Hel', 'lo'])) res.write(event);
  res.end();
};
const hang: Behaviour = () => undefined;

/** All eligible calls are copied, none is assigned to the endpoint. */
function shadowing(router: string, endpoint: string, more: Partial<ShadowShare> = {}): RigOptions {
  const shadow = { share: 1, concurrency: 8, calls: 100, exclude: new Set<string>(), ...more };
  return { router, endpoint, canary: { step: 0, weight: 0, shadow } };
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!isSo()) {
    assert.ok(performance.now() < end, `not within a minute: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function firstShadow(rig: Rig): Promise<Shadow> {
  await until(() => rig.shadows.length > 0);
  return rig.shadows[0] as Shadow;
}

const counts = (rig: Rig) => rig.gateway.shadowCounts('r1');
const NONE = { sent: 0, inFlight: 0, busy: 0, excluded: 0, usedUp: 0 };

test('a copy is sent with the daemon’s token and the endpoint’s name for the model, without the client’s credentials', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  const options = shadowing(router.url, endpoint.url);
  await using rig = await startRig({ ...options, canary: { ...options.canary, servedModel: '/repository' } });
  const headers = {
    authorization: 'Bearer hf_client',
    cookie: 's=1',
    'x-api-key': 'k',
    'x-agent-id': 'a',
    'x-own': '1',
  };
  const body = chat({ model: `${MODEL}:fastest` });
  const answer = await ask(rig.url, { body, headers });
  await firstShadow(rig);
  assert.deepEqual(JSON.parse(answer.body), chatAnswer(`${MODEL}:fastest`));
  assert.equal(answer.headers['x-upshift-upstream'], 'serverless');
  assert.equal(router.received[0]?.body, body);
  assert.equal(router.received[0]?.headers.authorization, 'Bearer hf_client');
  const [copy] = endpoint.received;
  assert.equal(copy?.path, '/v1/chat/completions');
  assert.deepEqual(JSON.parse(copy?.body ?? ''), { ...(JSON.parse(body) as object), model: '/repository' });
  assert.equal(copy?.headers.authorization, 'Bearer hf_daemon');
  assert.deepEqual(
    ['cookie', 'x-api-key', 'x-agent-id'].map((name) => copy?.headers[name]),
    [undefined, undefined, undefined],
  );
  assert.equal(copy?.headers['x-own'], '1');
});

test('a copy is measured as if it had been sent together with its call', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig(shadowing(router.url, endpoint.url));
  await ask(rig.url, { body: chat() });
  const shadow = await firstShadow(rig);
  const [call] = rig.calls;
  assert.equal(call?.hasShadow, true);
  assert.equal(call?.role, 'stable');
  assert.deepEqual([call?.step, call?.weight, call?.attempts.length], [0, 0, 1]);
  assert.equal(shadow.arrivedAtUs, call?.arrivedAtUs);
  assert.equal(shadow.rolloutId, 'r1');
  assert.deepEqual([shadow.status, shadow.outcome, shadow.promptTokens, shadow.outputTokens], [200, 'ok', 7, 11]);
  assert.ok((shadow.firstByteUs as number) > (call?.attempts[0]?.startedAfterUs as number));
  assert.ok(shadow.durationUs >= (shadow.firstByteUs as number));
  assert.equal(shadow.firstTokenUs, null);
  assert.equal(shadow.knownAfterUs, shadow.durationUs);
  assert.deepEqual(counts(rig), { ...NONE, sent: 1 });
});

test('a streamed copy is read to its end: first token, tokens and late faults', async () => {
  const { promise: isAnswered, resolve: goOn } = Promise.withResolvers<void>();
  const [head = '', ...rest] = chatEvents(MODEL, ['Hel', 'lo']);
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write(head);
    void isAnswered.then(() => res.end(rest.join('')));
  });
  await using rig = await startRig(shadowing(router.url, endpoint.url));
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.body, chatEvents(MODEL, ['Hel', 'lo']).join(''));
  await until(() => endpoint.received.length === 1);
  assert.equal(counts(rig).inFlight, 1);
  rig.clock.advance(1_000);
  goOn();
  const shadow = await firstShadow(rig);
  assert.deepEqual([shadow.outcome, shadow.promptTokens, shadow.outputTokens], ['ok', 7, 2]);
  assert.ok((shadow.firstTokenUs as number) > 1_000_000);
  assert.equal(counts(rig).inFlight, 0);
});

const ends: [string, Behaviour, Outcome, number][] = [
  ['refuses with 429', (res) => json(res, 429, { error: 'busy' }), 'rate_limited', 429],
  ['fails with a large 500', (res) => json(res, 500, { error: 'x'.repeat(300_000) }), 'server_error', 500],
  ['is starting', (res) => json(res, 503, { error: 'loading' }), 'unavailable', 503],
  ['is paused', (res) => json(res, 400, { error: 'Bad Request: The endpoint is paused' }), 'paused', 400],
  ['finds the request wrong', (res) => json(res, 400, { error: 'no' }), 'client_error', 400],
  [
    'finds the request wrong, and breaks off in saying so',
    (res) => {
      res.writeHead(400, { 'content-length': '100' });
      res.write('{', () => res.destroy());
    },
    'client_error',
    400,
  ],
  ['resets', (res) => res.destroy(), 'connect_failed', 0],
  [
    'dies while it streams',
    (res) => {
      res.writeHead(200, SSE);
      res.write(chatEvents(MODEL, ['Hel'])[0]);
      setImmediate(() => res.destroy());
    },
    'broken_stream',
    200,
  ],
  [
    'streams an error',
    (res) => {
      res.writeHead(200, SSE);
      res.end(`${chatEvents(MODEL, ['Hel'])[0]}data: {"error":{"message":"out of memory"}}\n\n`);
    },
    'server_error',
    200,
  ],
];

for (const [name, behave, outcome, status] of ends) {
  test(`the client gets its answer from serverless unchanged if the endpoint ${name}`, async () => {
    await using router = await startUpstream(echo);
    await using endpoint = await startUpstream(behave);
    const options = shadowing(router.url, endpoint.url);
    await using rig = await startRig({ ...options, canary: { ...options.canary, servedModel: 'other' } });
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, chatAnswer(MODEL)]);
    const shadow = await firstShadow(rig);
    assert.deepEqual([shadow.outcome, shadow.status], [outcome, status]);
    assert.equal(shadow.knownAfterUs, status >= 400 ? shadow.firstByteUs : shadow.durationUs);
    assert.deepEqual(rig.failures, []);
    assert.equal(rig.gateway.counters.fallbacks, 0);
    assert.equal(rig.calls[0]?.finalOutcome, 'ok');
  });
}

test('an endpoint that refuses a copy as too long gets no such call any more', async () => {
  const said = "This model's maximum context length is 100 tokens. However, you requested 1000 tokens";
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream((res) => json(res, 400, { error: { message: said, code: 400 } }));
  await using rig = await startRig(shadowing(router.url, endpoint.url));
  const long = chat({ messages: [{ role: 'user', content: 'word '.repeat(200) }] });
  await ask(rig.url, { body: long });
  await firstShadow(rig);
  await ask(rig.url, { body: long });
  await ask(rig.url, { body: chat() });
  assert.deepEqual(
    rig.arrivals.map(({ ineligibleReason, isEligible }) => [ineligibleReason, isEligible]),
    [
      [undefined, true],
      ['too_long', false],
      [undefined, true],
    ],
  );
});

test('a copy without an answer delays no call, and is given up at the endpoint’s timeout', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(hang);
  await using rig = await startRig({ ...shadowing(router.url, endpoint.url), timeouts: { firstByteMs: 100 } });
  assert.equal((await ask(rig.url, { body: chat() })).status, 200);
  assert.deepEqual(counts(rig), { ...NONE, sent: 1, inFlight: 1 });
  assert.equal((await firstShadow(rig)).outcome, 'first_byte_timeout');
  await until(() => endpoint.sockets.size === 0);
  assert.equal(counts(rig).inFlight, 0);
});

test('a copy that falls silent is given up', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write(chatEvents(MODEL, ['Hel'])[0]);
  });
  await using rig = await startRig({ ...shadowing(router.url, endpoint.url), timeouts: { betweenChunksMs: 100 } });
  await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal((await firstShadow(rig)).outcome, 'idle_timeout');
});

test('a copy that lasts too long is cut, even if it is never silent', () => {
  const kept: Shadow[] = [];
  let aborts = 0;
  const coarse = { nowMs: 1_000 };
  const dispatch = (_: unknown, handler: { onRequestStart: (controller: unknown) => void }) =>
    handler.onRequestStart({ abort: () => aborts++ });
  const shared = {
    recorder: { ...recorder(() => undefined), recordShadow: (shadow: Shadow) => kept.push(shadow) },
    observer: { shadowed: () => undefined },
    targets: { of: () => ({ origin: '', prefix: '', dispatcher: { dispatch } }) },
    gates: new EndpointGates(coarse),
    coarse,
    nowUs: () => 5_000_000,
    forms: new Forms(() => undefined),
  } as unknown as Shared;
  const arrival = { arrivedAtUs: 4_000_000, rolloutId: 'r1' } as Arrival;
  const sending = { firstByteMs: Infinity, betweenChunksMs: Infinity, totalMs: Infinity } as OutboundRequest;
  const incoming = { content: { scan: null }, destination: { kind: 'chat' } } as IncomingCall;
  const pair = shared.forms.pairFor(incoming);
  let ends = 0;
  const copy = new Copy(shared, { arrival, incoming, pair, startedAfterUs: 300 }, sending, () => ends++);
  copy.start();
  copy.expire(600_999);
  assert.equal(ends, 0);
  copy.expire(601_000);
  copy.cut();
  assert.deepEqual([kept.length, kept[0]?.outcome, kept[0]?.durationUs, ends], [1, 'cut', 300, 1]);
  assert.ok(aborts > 0);
});

test('an endpoint that refuses connections, or whose name is wrong, does not affect the live calls', async () => {
  await using router = await startUpstream(echo);
  for (const endpoint of ['http://127.0.0.1:1', 'http://[wrong']) {
    const logged: string[] = [];
    await using rig = await startRig({ ...shadowing(router.url, endpoint), log: (_, message) => logged.push(message) });
    assert.equal((await ask(rig.url, { body: chat() })).status, 200);
    const { outcome } = await firstShadow(rig);
    assert.equal(outcome, endpoint.includes('wrong') ? 'gateway_error' : 'connect_failed');
    const why = endpoint.includes('wrong') ? 'a copy could not be sent' : 'an upstream cannot be reached';
    assert.deepEqual(logged, [why]);
    assert.equal(rig.calls[0]?.finalOutcome, 'ok');
    assert.equal(counts(rig).inFlight, 0);
  }
});

test('the policy’s number of copies in flight is not exceeded, and calls that are not copied are counted', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(hang);
  await using rig = await startRig(shadowing(router.url, endpoint.url, { concurrency: 2 }));
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(rig.url, { body: chat() })));
  assert.ok(answers.every(({ status }) => status === 200));
  await until(() => endpoint.received.length === 2);
  assert.deepEqual(counts(rig), { ...NONE, sent: 2, inFlight: 2, busy: 8 });
  assert.equal(rig.calls.filter((call) => call.hasShadow).length, 2);
});

test('in a step calls are copied only while the endpoint has ample room', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(hang);
  const options = shadowing(router.url, endpoint.url);
  for (const [step, limit, copies] of [
    [1, null, 5],
    [1, 4, 3],
    [0, 4, 5],
  ] as const) {
    await using rig = await startRig({ ...options, canary: { ...options.canary, step } });
    rig.gateway.told(endpoint.url, { replicas: 1, limit }, { mayOverflow: true, mostRefused: 1 });
    for (let n = 0; n < 5; n++) await ask(rig.url, { body: chat() });
    assert.deepEqual(counts(rig), { ...NONE, sent: copies, inFlight: copies, busy: 5 - copies });
  }
});

test('no more copies are sent than the policy allows', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig(shadowing(router.url, endpoint.url, { calls: 3 }));
  for (let n = 0; n < 5; n++) await ask(rig.url, { body: chat() });
  await until(() => rig.shadows.length === 3);
  assert.deepEqual(counts(rig), { ...NONE, sent: 3, usedUp: 2 });
  assert.equal(endpoint.received.length, 3);
});

test('nothing is copied while the ledger is behind', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  const behind = { ...recorder((_, release) => release()), isDegraded: true };
  await using rig = await startRig({ ...shadowing(router.url, endpoint.url), recorder: behind });
  await ask(rig.url, { body: chat() });
  assert.deepEqual(counts(rig), { ...NONE, busy: 1 });
  assert.equal(endpoint.received.length, 0);
});

test('excluded agents and shapes, ineligible calls and repeats are never copied', async () => {
  await using router = await startUpstream((res, received, req) => {
    if (received.body.includes('refuse me')) json(res, 429, { error: 'busy' });
    else echo(res, received, req);
  });
  await using endpoint = await startUpstream(echo);
  const exclude = new Set(['secret', 'chat+tools']);
  await using rig = await startRig(shadowing(router.url, endpoint.url, { exclude }));
  const tools = { tools: [{ type: 'function', function: { name: 'f' } }] };
  await ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'secret' } });
  await ask(rig.url, { body: chat(tools) });
  await ask(rig.url, { body: chat({ ...tools, stream: true }) });
  assert.deepEqual(counts(rig), { ...NONE, excluded: 3 });
  await ask(rig.url, { body: chat({ response_format: { type: 'json_object' } }) });
  assert.deepEqual(counts(rig), { ...NONE, excluded: 3 });
  const refused = { body: chat({ user: 'refuse me' }), headers: { 'x-agent-id': 'open' } };
  await ask(rig.url, refused);
  await ask(rig.url, refused);
  await until(() => rig.shadows.length === 1);
  assert.deepEqual(counts(rig), { ...NONE, sent: 1, excluded: 4 });
  assert.equal(endpoint.received.length, 1);
  // The first refused call was copied, and its row shows that the pair cannot be compared.
  const [shadowed, ...others] = rig.calls.filter((call) => call.hasShadow);
  assert.deepEqual([shadowed?.outcome, shadowed?.status, others.length], ['rate_limited', 429, 0]);
});

test('a share of the calls is copied, each decided by its arrival', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(echo);
  await using rig = await startRig(
    shadowing(router.url, endpoint.url, { share: 0.5, concurrency: 1_000, calls: 1_000 }),
  );
  await Promise.all(Array.from({ length: 200 }, () => ask(rig.url, { body: chat() })));
  const { sent, ...rest } = counts(rig);
  assert.ok(sent > 60 && sent < 140, `${sent}`);
  await until(() => rig.shadows.length === sent);
  assert.deepEqual([rest.busy, rest.excluded, rest.usedUp], [0, 0, 0]);
  assert.equal(rig.calls.filter((call) => call.hasShadow).length, sent);
  assert.equal(router.received.length, 200);
});

test('copies end at once when the gateway drains, and do not delay it', async () => {
  await using router = await startUpstream(echo);
  await using endpoint = await startUpstream(hang);
  const kept: Shadow[] = [];
  const keeping = { ...recorder((_, release) => release()), recordShadow: (shadow: Shadow) => void kept.push(shadow) };
  await using rig = await startRig({ ...shadowing(router.url, endpoint.url), recorder: keeping });
  await ask(rig.url, { body: chat() });
  await until(() => endpoint.received.length === 1);
  const at = performance.now();
  assert.deepEqual(await rig.gateway.drain(60_000), { finished: 0, cut: 0 });
  assert.ok(performance.now() - at < 5_000);
  assert.deepEqual(
    kept.map(({ outcome }) => outcome),
    ['cut'],
  );
  assert.deepEqual(rig.shadows, kept);
  await until(() => endpoint.sockets.size === 0);
});
