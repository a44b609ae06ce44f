import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const WORDS = ['Hel', 'lo'];
const EVENTS = chatEvents(MODEL, WORDS);
const [ROLE = '', FIRST = '', SECOND = '', STOP = ''] = EVENTS;
const DONE = 'data: [DONE]\n\n';
const ERROR = 'data: {"error":{"message":"out of memory","code":500}}\n\n';
const WHOLE = JSON.stringify(chatAnswer(MODEL));

const fine: Behaviour = (res, { body }) => {
  if (!body.includes('"stream":true')) return json(res, 200, chatAnswer(MODEL));
  res.writeHead(200, SSE);
  for (const event of EVENTS) res.write(event);
  res.end();
};

/** Answers every call with these texts, one write each. */
function says(type: string, ...texts: string[]): Behaviour {
  return (res) => {
    res.writeHead(200, { 'content-type': type });
    for (const text of texts) res.write(text);
    res.end();
  };
}

/** Answers of status 200 that are none, before anything of them has to be passed on. */
const BAD: readonly (readonly [what: string, isStream: boolean, behave: Behaviour, outcome: string])[] = [
  ['[DONE] alone', true, says('text/event-stream', DONE), 'empty_answer'],
  ['a role and [DONE]', true, says('text/event-stream', ROLE, DONE), 'empty_answer'],
  ['no byte of a stream', true, says('text/event-stream'), 'empty_answer'],
  ['an error in place of the first token', true, says('text/event-stream', ROLE, ERROR, DONE), 'server_error'],
  ['an error for a stream, as JSON', true, (res) => json(res, 200, { error: { message: 'x' } }), 'server_error'],
  ['a page for a stream', true, (res) => json(res, 200, '<html>'), 'incomplete_answer'],
  ['a page of unknown length', false, says('text/html', '<html>', '</html>'), 'incomplete_answer'],
  ['a page of unknown length for a stream', true, says('text/html', '<html>', '</html>'), 'incomplete_answer'],
  ['an error', false, (res) => json(res, 200, { error: { message: 'x', code: 502 } }), 'server_error'],
  ['vLLM’s error', false, (res) => json(res, 200, { object: 'error', message: 'x' }), 'server_error'],
  ['nothing in it', false, (res) => json(res, 200, { id: 'c', choices: [] }), 'empty_answer'],
  [
    'no byte',
    false,
    (res) => res.writeHead(200, { 'content-type': 'application/json', 'content-length': 0 }).end(),
    'empty_answer',
  ],
  [
    'half of its JSON',
    false,
    (res) => res.writeHead(200, { 'content-type': 'application/json', 'content-length': 40 }).end(WHOLE.slice(0, 40)),
    'incomplete_answer',
  ],
  ['a redirect', false, (res) => res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'server_error'],
];

for (const [what, isStream, behave, outcome] of BAD) {
  test(`serverless answers in place of an endpoint’s 200 that is none: ${what}`, async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(behave);
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat(isStream ? { stream: true } : {}) });
    assert.equal(answer.headers['x-upshift-upstream'], 'serverless');
    assert.equal(answer.body, isStream ? EVENTS.join('') : WHOLE);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.finalOutcome, call?.servedBy], [outcome, 'ok', 'serverless']);
    assert.equal(call?.isEmpty, false);
    assert.deepEqual(rig.failures, [{ outcome, upstream: 'dedicated' }]);
  });

  if (what === 'a redirect') continue;
  test(`serverless’s 200 that is none is passed on as it is, and is no ok: ${what}`, async () => {
    await using router = await startUpstream(behave);
    await using rig = await startRig({ router: router.url });
    const answer = await ask(rig.url, { body: chat(isStream ? { stream: true } : {}) });
    assert.equal(answer.status, 200);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.finalOutcome, call?.isEmpty], [outcome, outcome, null]);
    assert.equal(router.received.length, 1);
  });
}

test('an endpoint’s stream that fails after its first token reaches the client as it is, and is a fault', async () => {
  const ends: readonly (readonly [string[], string])[] = [
    [[ROLE, FIRST, SECOND], 'incomplete_answer'],
    [[ROLE, FIRST, SECOND, DONE], 'incomplete_answer'],
    [[ROLE, FIRST, ERROR, DONE], 'server_error'],
  ];
  for (const [texts, outcome] of ends) {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(says('text/event-stream', ...texts));
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    const answer = await ask(rig.url, { body: chat({ stream: true }) });
    assert.deepEqual([answer.headers['x-upshift-upstream'], answer.body], ['dedicated', texts.join('')]);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.finalOutcome], [outcome, outcome]);
    assert.equal(router.received.length, 0);
  }
});

test('an answer that is over and empty is ok, and is known to be empty', async () => {
  await using router = await startUpstream(says('text/event-stream', ROLE, STOP, DONE));
  await using rig = await startRig({ router: router.url, endpoint: router.url });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.body, ROLE + STOP + DONE);
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.isEmpty, call?.firstTokenUs], ['ok', true, null]);
});

test('an endpoint’s stream is held until its first output, but not once it says by a comment that it is alive', async () => {
  const { promise: isSeen, resolve: see } = Promise.withResolvers<void>();
  await using router = await startUpstream(fine);
  await using endpoint = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write(': alive\n\n');
    void isSeen.then(() => res.end(DONE));
  });
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
  const body = chat({ stream: true });
  const answer = await fetch(`${rig.url}/v1/chat/completions`, { method: 'POST', body });
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), ': alive\n\n');
  see();
  while (!(await reader.read()).done);
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.servedBy], ['empty_answer', 'dedicated']);
});

test('a stream that is not declared as one is read and passed on as one', async () => {
  for (const type of ['text/plain', 'application/json', 'application/octet-stream']) {
    for (const side of ['serverless', 'dedicated'] as const) {
      const gate = Promise.withResolvers<void>();
      const behave: Behaviour = (res) => {
        res.writeHead(200, { 'content-type': type });
        for (const text of EVENTS.slice(0, 2)) res.write(text);
        void gate.promise.then(() => res.end(EVENTS.slice(2).join('')));
      };
      await using upstream = await startUpstream(behave);
      await using rig = await startRig(
        side === 'serverless' ? { router: upstream.url } : { router: 'http://127.0.0.1:1', endpoint: upstream.url },
      );
      const body = chat({ stream: true });
      const answer = await fetch(`${rig.url}/v1/chat/completions`, { method: 'POST', body });
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      // The first piece comes before the stream ends.
      let text = new TextDecoder().decode((await reader.read()).value);
      gate.resolve();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        text += new TextDecoder().decode(next.value);
      }
      assert.equal(text, EVENTS.join(''));
      const [call] = await rig.recorded(1);
      assert.deepEqual([call?.outcome, call?.servedBy, call?.isEmpty], ['ok', side, false]);
      assert.notEqual(call?.firstTokenUs, null);
    }
  }
});

test('a renamed stream is held and renamed alike', async () => {
  await using router = await startUpstream(fine);
  await using endpoint = await startUpstream(says('text/event-stream', ...chatEvents('/repository', WORDS)));
  await using rig = await startRig({
    router: router.url,
    endpoint: endpoint.url,
    canary: { servedModel: '/repository' },
  });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.body, EVENTS.join(''));
});

test('a client that leaves once the model has finished has not left', async () => {
  const last = 'event: response.completed\ndata: {"type":"response.completed","response":{"output":[{"text":"';
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.write('data: {"type":"response.output_text.delta","delta":"a"}\n\n');
    res.write(`${last}${'x'.repeat(60_000)}"}]}}\n\n`);
  });
  await using rig = await startRig({ router: router.url });
  const stop = new AbortController();
  const body = JSON.stringify({ model: MODEL, input: 'hi', stream: true });
  const answer = await fetch(`${rig.url}/v1/responses`, { method: 'POST', body, signal: stop.signal });
  let length = 0;
  for await (const piece of answer.body as ReadableStream<Uint8Array>) {
    length += piece.length;
    if (length > 60_000 + last.length + 50) break;
  }
  stop.abort();
  const [call] = await rig.recorded(1);
  assert.deepEqual([call?.outcome, call?.finalOutcome], ['ok', 'ok']);
});

test('an answer reaches the client whatever headers it has, once or several times', async () => {
  const name = fc.constantFrom(
    'Content-Type',
    'Connection',
    'Retry-After',
    'Content-Encoding',
    'Set-Cookie',
    'X-Inference-Provider',
    'RateLimit',
    'RateLimit-Policy',
    'X-Odd',
    'Date',
  );
  const value = fc.constantFrom(
    'application/json',
    'identity',
    'keep-alive',
    '1',
    '',
    'a, b',
    '"api";r=3;t=9',
    'caf\u00e9',
  );
  let headers: readonly (readonly [string, string])[] = [];
  let status = 200;
  await using router = await startUpstream((res) => {
    res.writeHead(status, [...headers.flat(), 'Content-Length', String(WHOLE.length)]);
    res.end(WHOLE);
  });
  await using rig = await startRig({ router: router.url, endpoint: router.url });
  const tried = fc.array(fc.tuple(name, value), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(tried, fc.constantFrom(200, 404, 429, 500), async (given, code) => {
      headers = given;
      status = code;
      const answer = await ask(rig.url, { body: chat() });
      assert.deepEqual([answer.status, answer.body], [code, WHOLE]);
    }),
    { numRuns: 200 },
  );
});
