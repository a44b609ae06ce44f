import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '../../support/waiting.ts';
import { MODEL, ask, chat, chatAnswer, chatEvents, json, SSE, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig } from '../rig.ts';

const CARE = {
  retries: { most: 2, base: 5, cap: 20, share: 0.2 },
  maxWait: 30_000,
  queue: 100,
  ramp: 0,
  breaker: { faults: 5, cooldown: 60_000, probes: 1 },
  providers: [] as readonly string[],
  batch: { wait: 5, most: 1 },
};

const modelIn = (body: string) => (JSON.parse(body) as { model: string }).model;

/** Answers by the suffix of the model: with a status (200 by default), and with the provider's name if there is one. */
function router(statusOf: Record<string, number>, providers: Record<string, string> = {}): Behaviour {
  return (res, { body }) => {
    const suffix = modelIn(body).split(':')[1] ?? '';
    const status = statusOf[suffix] ?? 200;
    const provider = providers[suffix];
    const headers: Record<string, string> = provider === undefined ? {} : { 'x-inference-provider': provider };
    json(res, status, status === 200 ? chatAnswer(MODEL) : { error: status }, headers);
  };
}

const counted = ({ gateway }: Rig) =>
  [...gateway.lanes()].flatMap(({ provider: lane, providers }) =>
    providers.map(({ provider, tried, refused, faults }) => [lane, provider, tried, refused, faults]),
  );

test('attempts are counted for the provider that the answer names, otherwise for the one that the call names', async () => {
  await using upstream = await startUpstream((res, received, req) => {
    if (received.path.startsWith('/groq/')) return json(res, 500, {});
    if (received.body.includes('"stream":true')) {
      res.writeHead(200, { ...SSE, 'x-inference-provider': 'Novita' });
      return res.end(chatEvents(MODEL, ['a']).join(''));
    }
    router({ groq: 429, nscale: 502 }, { '': 'together', fastest: 'together' })(res, received, req);
  });
  await using rig = await startRig({
    router: upstream.url,
    care: { ...CARE, retries: { ...CARE.retries, most: 0 } },
  });
  const bodies = [
    {},
    { stream: true },
    ...['groq', 'nscale', 'fastest', 'unheard'].map((s) => ({ model: `${MODEL}:${s}` })),
  ];
  for (const body of bodies) await ask(rig.url, { body: chat(body) });
  await ask(rig.url, { path: '/groq/openai/v1/chat/completions', body: chat() });
  await rig.recorded(bodies.length + 1);
  assert.deepEqual(counted(rig), [
    ['', 'together', 1, 0, 0],
    ['', 'novita', 1, 0, 0],
    ['groq', 'groq', 2, 1, 1],
    ['nscale', 'nscale', 1, 0, 1],
    ['fastest', 'together', 1, 0, 0],
    ['unheard', 'unheard', 1, 0, 0],
  ]);
  // The row of an answered call has the provider that served it; a refused call has none.
  assert.deepEqual(
    rig.calls.map(({ status, provider }) => [status, provider]),
    [
      [200, 'together'],
      [200, 'Novita'],
      [429, null],
      [502, null],
      [200, 'together'],
      [200, 'unheard'],
      [500, null],
    ],
  );
});

test('the provider of a call is unknown if neither the answer nor the call names one', async () => {
  await using upstream = await startUpstream(router({}, { '': 'no good: name' }));
  await using rig = await startRig({ router: upstream.url, care: CARE });
  for (const model of [MODEL, `${MODEL}:cheapest`]) await ask(rig.url, { body: chat({ model }) });
  const calls = await rig.recorded(2);
  assert.deepEqual(
    calls.map(({ status, provider }) => [status, provider]),
    [
      [200, null],
      [200, null],
    ],
  );
});

test('a call that one provider refuses is sent to another at once, and the client gets that answer', async () => {
  await using upstream = await startUpstream(router({ '': 429, groq: 429 }, { '': 'novita' }));
  await using rig = await startRig({ router: upstream.url, care: { ...CARE, providers: ['groq', 'together'] } });
  const body = chat({ note: 'model":"x', n: 'é' });
  const answer = await ask(rig.url, { body });
  assert.deepEqual([answer.status, answer.headers['x-upshift-attempts']], [200, '3']);
  assert.deepEqual(
    upstream.received.map((each) => modelIn(each.body)),
    [MODEL, `${MODEL}:groq`, `${MODEL}:together`],
  );
  // Only the model's name is different.
  assert.equal(upstream.received[2]?.body, body.replace(`"${MODEL}"`, `"${MODEL}:together"`));
  assert.equal(upstream.received[0]?.body, body);
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.finalOutcome, call?.model], ['rate_limited', 'ok', MODEL]);
  assert.deepEqual(counted(rig), [
    ['', 'novita', 1, 1, 0],
    ['groq', 'groq', 1, 1, 0],
    ['together', 'together', 1, 0, 0],
  ]);
});

test('if the limit of its own lane is used up, a call takes another lane at once and is not refused', async () => {
  await using upstream = await startUpstream((res, received, req) => {
    if (modelIn(received.body) === MODEL) json(res, 429, {}, { 'retry-after': '600' });
    else router({})(res, received, req);
  });
  await using rig = await startRig({ router: upstream.url, care: { ...CARE, providers: ['together'] } });
  for (let n = 0; n < 20; n++) assert.equal((await ask(rig.url, { body: chat({ n }) })).status, 200);
  const calls = await rig.recorded(20);
  assert.deepEqual(
    calls.map(({ outcome }) => outcome),
    ['rate_limited', ...Array<string>(19).fill('ok')],
  );
  assert.deepEqual(rig.failures, [{ outcome: 'rate_limited', upstream: 'serverless' }]);
  assert.ok(calls.every(({ waitedUs }) => waitedUs === 0));
  // When the own lane accepts calls again, it gets them.
  rig.clock.advance(601_000);
  const before = upstream.received.length;
  await ask(rig.url, { body: chat({ n: 99 }) });
  assert.equal(modelIn(upstream.received[before]?.body ?? ''), MODEL);
});

test('if all limits are used up, a call waits for the lane that is free first; if all refuse it, it is retried as usual', async () => {
  let isOver = false;
  await using upstream = await startUpstream((res, { body }) => {
    const after = modelIn(body) === MODEL ? '600' : '20';
    if (isOver) json(res, 200, chatAnswer(MODEL));
    else json(res, 429, {}, { 'retry-after': after });
  });
  await using rig = await startRig({ router: upstream.url, care: { ...CARE, providers: ['together'] } });
  const first = await ask(rig.url, { body: chat(), headers: { 'x-request-timeout': '10' } });
  assert.deepEqual([first.status, upstream.received.length], [429, 2]);
  const waiting = ask(rig.url, { body: chat({ n: 2 }) });
  await eventually(
    'it waits',
    () => [...rig.gateway.lanes()].find((lane) => lane.provider === 'together')?.waiting === 1,
  );
  isOver = true;
  rig.clock.advance(20_100);
  assert.equal((await waiting).status, 200);
  assert.equal(modelIn(upstream.received[2]?.body ?? ''), `${MODEL}:together`);
});

test('a call that names a provider, or how to choose one, or that has a provider’s path, keeps its lane', async () => {
  for (const [path, model] of [
    ['/v1/chat/completions', `${MODEL}:groq`],
    ['/v1/chat/completions', `${MODEL}:fastest`],
    ['/groq/openai/v1/chat/completions', MODEL],
  ] as const) {
    await using upstream = await startUpstream((res) => json(res, 429, {}));
    await using rig = await startRig({
      router: upstream.url,
      care: { ...CARE, retries: { ...CARE.retries, most: 0 }, providers: ['together'] },
    });
    assert.equal((await ask(rig.url, { path, body: chat({ model }) })).status, 429);
    assert.deepEqual(
      upstream.received.map(({ body }) => modelIn(body)),
      [model],
    );
  }
});

test('the client never gets the answer of a listed provider that cannot serve the model; after three such calls it gets none', async () => {
  let isUsedUp = true;
  await using upstream = await startUpstream((res, received, req) => {
    if (modelIn(received.body) === MODEL && isUsedUp) json(res, 429, {}, { 'retry-after': '20' });
    else router({ together: 400, groq: 404 })(res, received, req);
  });
  await using rig = await startRig({ router: upstream.url, care: { ...CARE, providers: ['together', 'groq'] } });
  const tries = (provider: string) => upstream.received.filter(({ body }) => modelIn(body) === `${MODEL}:${provider}`);
  const patient = ask(rig.url, { body: chat() });
  await eventually('it waits for its own lane', () => [...rig.gateway.lanes()][0]?.waiting === 1);
  for (let n = 0; n < 4; n++) {
    const answer = await ask(rig.url, { body: chat({ n }), headers: { 'x-request-timeout': '5' } });
    assert.deepEqual([answer.status, answer.headers['x-upshift-error']], [429, 'over_limit']);
  }
  assert.deepEqual([tries('together').length, tries('groq').length], [3, 3]);
  isUsedUp = false;
  rig.clock.advance(20_100);
  const { status, headers } = await patient;
  assert.deepEqual([status, headers['x-upshift-attempts']], [200, '4']);
});
