import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { InferenceClient } from '@huggingface/inference';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { createUpshiftFetch } from '../../src/client/fetch.ts';
import { upshiftFetch } from '../../src/index.ts';
import { targetOf } from '../../src/client/outgoing.ts';
import { json, startUpstream } from '../gateway/rig.ts';
import { LLAMA, setEnvironment } from '../support/desk.ts';
import type { Row } from '../support/desk.ts';
import { eventually } from '../support/waiting.ts';
import { CHAT, ROUTER, TOKEN, chat, openDesk } from './rig.ts';

const facts = (row: Row) =>
  [row.model, row.shape, row.agent, row.outcome, row.status, row.served_by, row.bypassed_gateway].join(' ');

test('calls for Hugging Face go through the gateway, as the agent', async (t) => {
  const desk = await openDesk(t);
  const fetch = desk.fetch();
  const answer = await fetch(CHAT, chat());
  assert.equal(answer.headers.get('x-upshift-upstream'), 'serverless');
  assert.equal(((await answer.json()) as { object: string }).object, 'chat.completion');
  const headers = { 'x-agent-id': 'own-name', authorization: `Bearer ${TOKEN}` };
  await (await fetch(new URL(CHAT), chat({ stream: true }, { headers }))).text();
  await (await fetch(new Request(CHAT, chat()))).text();
  const native = `https://api-inference.huggingface.co/models/${LLAMA}/v1/chat/completions`;
  await (await fetch(native, chat())).text();
  await (await fetch(`${desk.url}/agents/by-path/v1/chat/completions`, chat())).text();
  assert.deepEqual((await desk.someRows(5)).map(facts), [
    `${LLAMA} chat planner-7 ok 200 serverless 0`,
    `${LLAMA} chat+stream own-name ok 200 serverless 0`,
    `${LLAMA} chat planner-7 ok 200 serverless 0`,
    `${LLAMA} native planner-7 ok 200 serverless 0`,
    `${LLAMA} chat by-path ok 200 serverless 0`,
  ]);
  assert.deepEqual(desk.spooled(), []);
});

test('other URLs, and paths that the gateway does not serve, are fetched as they are', async (t) => {
  const desk = await openDesk(t);
  await using other = await startUpstream((res) => json(res, 200, { fine: true }));
  const seen: unknown[] = [];
  const fetch = desk.fetch({
    fetch: (input, init) => {
      seen.push([input, init]);
      return globalThis.fetch(other.url, init);
    },
  });
  const init = { method: 'POST', body: 'x', headers: { a: 'b' } };
  const places = [`${other.url}/v1/chat/completions`, `${ROUTER}/v2/of/tomorrow`, `${ROUTER}.example/v1/models`];
  for (const place of places) assert.deepEqual(await (await fetch(place, init)).json(), { fine: true });
  assert.deepEqual(
    seen,
    places.map((place) => [place, init]),
  );
  assert.equal(other.received[0]?.headers['x-agent-id'], undefined);
  assert.deepEqual(desk.rows(), []);
});

test('while the gateway is unreachable, calls go directly to Hugging Face and are reported once it is reachable again', async (t) => {
  const desk = await openDesk(t);
  const fetch = desk.fetch();
  await desk.goAway();
  const startedAt = Date.now();
  const answer = await fetch(CHAT, chat());
  assert.equal(answer.headers.get('x-upshift-upstream'), null);
  assert.equal(answer.url, `${desk.sim.routerUrl}/v1/chat/completions`);
  assert.equal(((await answer.json()) as { object: string }).object, 'chat.completion');
  const events = await (await fetch(CHAT, chat({ stream: true, tools: [{ type: 'function' }] }))).text();
  assert.match(events, /data: \[DONE\]\n\n$/);
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  const refused = await fetch(CHAT, chat());
  assert.equal(refused.status, 429);
  await refused.text();
  await desk.sim.clearFaults();
  assert.equal(desk.spooled().length, 3);
  assert.doesNotMatch(desk.spooled().join(), new RegExp(`secret|${TOKEN}`));

  await desk.comeBack();
  const rows = await desk.someRows(3);
  assert.deepEqual(rows.map(facts).sort(), [
    `${LLAMA} chat planner-7 ok 200 serverless 1`,
    `${LLAMA} chat planner-7 rate_limited 429 serverless 1`,
    `${LLAMA} chat+stream+tools planner-7 ok 200 serverless 1`,
  ]);
  for (const { role, is_eligible, arrived, duration_ms, first_byte_ms } of rows) {
    assert.deepEqual([role, is_eligible], [null, 0]);
    assert.ok(Date.parse(arrived) >= startedAt && Date.parse(arrived) <= Date.now());
    assert.ok(first_byte_ms !== null && first_byte_ms > 0 && duration_ms >= first_byte_ms);
  }
  assert.equal(await fetch.report(), true);
  assert.deepEqual([desk.spooled(), desk.reported.length], [[''], 3]);
});

test('if a program ends before its report is confirmed, the next program reports again, and no call is recorded twice', async (t) => {
  const desk = await openDesk(t);
  await desk.goAway();
  const ending = desk.fetch({
    awayMs: 60_000,
    fetch: async (input, init) => {
      const answer = await globalThis.fetch(input, init);
      if (targetOf(input, init).url.endsWith('/upshift/outcomes')) throw new Error('ended before it read this');
      return answer;
    },
  });
  for (let n = 0; n < 3; n++) await (await ending(CHAT, chat())).text();
  await desk.comeBack();
  assert.equal(await ending.report(), false);
  const rows = desk.rows();
  assert.deepEqual([rows.length, desk.spooled().length], [3, 3]);
  // After the first call that the gateway answers, the lines of a former program are reported.
  await (await desk.fetch()(CHAT, chat())).text();
  await eventually('nothing waits', () => desk.spooled().join('') === '');
  assert.deepEqual(desk.rows().slice(0, 3), rows);
  assert.deepEqual([desk.rows().length, desk.reported.length], [4, 3]);
});

test('two programs that report the same at the same time leave one row each', async (t) => {
  const desk = await openDesk(t);
  await desk.goAway();
  const [one, two] = [desk.fetch({ awayMs: 60_000 }), desk.fetch({ awayMs: 60_000, agent: 'critic' })];
  for (const fetch of [one, two, one, two]) await (await fetch(CHAT, chat())).text();
  assert.equal(desk.spooled().length, 4);
  await desk.comeBack();
  await Promise.all([one.report(), two.report(), desk.fetch().report()]);
  assert.equal(desk.rows().length, 4);
  assert.equal(desk.reported.length, 4);
  assert.deepEqual(desk.spooled(), ['']);
});

test('calls bypass an unreachable gateway for a while, and then use it again', async (t) => {
  const desk = await openDesk(t);
  let tried = 0;
  const fetch = desk.fetch({
    awayMs: 300,
    fetch: (input, init) => {
      if (targetOf(input, init).url.startsWith(`${desk.url}/v1`)) tried++;
      return globalThis.fetch(input, init);
    },
  });
  await desk.goAway();
  for (let n = 0; n < 4; n++) await (await fetch(CHAT, chat())).text();
  assert.equal(tried, 1);
  await desk.comeBack();
  await eventually('through the gateway', async () => {
    const answer = await fetch(CHAT, chat());
    await answer.text();
    return answer.headers.get('x-upshift-upstream');
  });
});

test('a call bypasses a gateway that is lost before the first byte, but not one that has answered', async (t) => {
  const desk = await openDesk(t);
  let breaks = 'before';
  await using broken = await startUpstream((res) => {
    if (breaks === 'before') return res.destroy();
    if (breaks === 'status') return json(res, 502, { error: { code: 'upstream_unavailable' } });
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
    setTimeout(() => res.destroy(), 20);
  });
  const fetch = desk.fetch({ gateway: broken.url, awayMs: 0 });
  const answer = await fetch(CHAT, chat());
  assert.equal(((await answer.json()) as { object: string }).object, 'chat.completion');
  assert.equal(desk.spooled().length, 1);
  breaks = 'status';
  assert.equal((await fetch(CHAT, chat())).status, 502);
  breaks = 'after';
  const begun = await fetch(CHAT, chat({ stream: true }));
  await assert.rejects(begun.text());
  assert.equal(desk.spooled().length, 1);
});

test('the token replaces a placeholder or a missing token, and is sent to Hugging Face only', async (t) => {
  const desk = await openDesk(t);
  await desk.goAway();
  await using router = await startUpstream((res) => json(res, 200, { fine: true }));
  const fetch = desk.fetch({ router: router.url, token: 'hf_own', agent: 'zoë' });
  const sent = async (headers: Record<string, string>) => {
    await (await fetch(CHAT, chat({}, { headers }))).text();
    return router.received.at(-1)?.headers;
  };
  assert.equal((await sent({}))?.authorization, 'Bearer hf_own');
  assert.equal((await sent({ authorization: 'Bearer upshift' }))?.authorization, 'Bearer hf_own');
  assert.equal((await sent({ authorization: 'Bearer hf_b' }))?.authorization, 'Bearer hf_b');
  assert.equal((await sent({ 'x-api-key': 'hf_c' }))?.authorization, 'Bearer hf_c');
  assert.equal((await sent({ 'x-hf-bill-to': 'acme' }))?.['x-hf-bill-to'], 'acme');
  assert.equal(router.received.at(-1)?.headers['x-agent-id'], undefined);
  assert.doesNotMatch(desk.spooled().join(), /hf_/);
  await desk.comeBack();
  await fetch.report();
  assert.deepEqual(new Set(desk.rows().map(({ agent }) => agent)), new Set(['zoë']));
});

test('an aborted call is recorded as left by the caller, before and within its answer', async (t) => {
  const desk = await openDesk(t);
  await using slow = await startUpstream((res, { body }) => {
    if (!body.includes('"stream":true')) return;
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
  });
  await desk.goAway();
  const fetch = desk.fetch({ router: slow.url });
  await assert.rejects(fetch(CHAT, chat({}, { signal: AbortSignal.timeout(100) })), { name: 'TimeoutError' });
  const controller = new AbortController();
  const begun = await fetch(CHAT, chat({ stream: true }, { signal: controller.signal }));
  controller.abort();
  await assert.rejects(begun.text(), { name: 'AbortError' });
  const given = await fetch(CHAT, chat({ stream: true }));
  await given.body?.cancel();
  await assert.rejects(fetch(CHAT, chat({}, { signal: AbortSignal.abort() })), { name: 'AbortError' });
  const ends = desk.spooled().map((line) => JSON.parse(line) as { end: string; status: number });
  assert.deepEqual(
    ends.map(({ end, status }) => [end, status]),
    [
      ['left', 0],
      ['left', 200],
      ['left', 200],
    ],
  );
  await desk.comeBack();
  await fetch.report();
  assert.deepEqual(new Set(desk.rows().map(({ outcome }) => outcome)), new Set(['client_left']));
  // A call through the gateway obeys the signal too, and does not then bypass the gateway.
  await assert.rejects(desk.fetch()(CHAT, chat({}, { signal: AbortSignal.abort() })), { name: 'AbortError' });
  assert.deepEqual(desk.spooled(), ['']);
});

test('bodies that come as streams, forms or bytes arrive complete through the gateway and past it', async (t) => {
  const desk = await openDesk(t);
  const text = chat().body as string;
  const bodies = () => [
    new Blob([text]),
    new TextEncoder().encode(text),
    new Blob([text.slice(0, 50), text.slice(50)]).stream(),
  ];
  for (const isAway of [false, true]) {
    if (isAway) await desk.goAway();
    const fetch = desk.fetch();
    for (const body of bodies()) {
      const answer = await fetch(CHAT, chat({}, { body, duplex: 'half' }));
      assert.equal(answer.status, 200);
      await answer.text();
    }
  }
  assert.equal(desk.rows().length, 3);
  const models = desk.spooled().map((line) => (JSON.parse(line) as { model: string }).model);
  assert.deepEqual(models, [null, LLAMA, LLAMA]);
});

test('if gateway and Hugging Face are unreachable, the call rejects with the error of Hugging Face', async (t) => {
  const desk = await openDesk(t);
  await desk.goAway();
  await desk.sim.close();
  await assert.rejects(desk.fetch()(CHAT, chat()), /fetch failed/);
  assert.deepEqual(
    desk.spooled().map((line) => (JSON.parse(line) as { end: string }).end),
    ['unreached'],
  );
});

test('openai works with upshiftFetch with settings from the environment, through the gateway and past it', async (t) => {
  const desk = await openDesk(t);
  setEnvironment(t, {
    UPSHIFT_GATEWAY_URL: desk.url,
    UPSHIFT_ROUTER_URL: desk.sim.routerUrl,
    UPSHIFT_AGENT_ID: 'planner-7',
    UPSHIFT_SPOOL: desk.spool,
    HF_TOKEN: TOKEN,
  });
  const client = new OpenAI({ baseURL: `${ROUTER}/v1`, apiKey: 'upshift', fetch: upshiftFetch });
  const messages = [{ role: 'user' as const, content: 'Say hello.' }];
  const ask = async () => {
    const whole = await client.chat.completions.create({ model: LLAMA, messages, max_tokens: 30 });
    assert.match(whole.choices[0]?.message.content ?? '', /\w/);
    let text = '';
    const stream = await client.chat.completions.create({ model: `${LLAMA}:groq`, messages, stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    assert.match(text, /\w/);
  };
  await ask();
  await desk.goAway();
  await ask();
  await desk.comeBack();
  assert.equal(await upshiftFetch.report(), true);
  assert.deepEqual(desk.rows().map(facts).sort(), [
    `${LLAMA} chat planner-7 ok 200 serverless 0`,
    `${LLAMA} chat planner-7 ok 200 serverless 1`,
    `${LLAMA} chat+stream planner-7 ok 200 serverless 0`,
    `${LLAMA} chat+stream planner-7 ok 200 serverless 1`,
  ]);
});

test('@huggingface/inference and the AI SDK take it as their fetch', async (t) => {
  const desk = await openDesk(t);
  const fetch = desk.fetch();
  const client = new InferenceClient(TOKEN, { fetch });
  const messages = [{ role: 'user' as const, content: 'Say hello.' }];
  const provider = createOpenAICompatible({ name: 'hf', baseURL: `${ROUTER}/v1`, apiKey: TOKEN, fetch });
  const ask = async () => {
    const answer = await client.chatCompletion({ model: LLAMA, messages, max_tokens: 5, provider: 'auto' });
    assert.match(answer.choices[0]?.message.content ?? '', /\w/);
    assert.match(await streamText({ model: provider(LLAMA), messages, maxOutputTokens: 5 }).text, /\w/);
  };
  await ask();
  await desk.goAway();
  await ask();
  await desk.comeBack();
  assert.deepEqual((await desk.someRows(4)).map(facts).sort(), [
    `${LLAMA} chat planner-7 ok 200 serverless 0`,
    `${LLAMA} chat planner-7 ok 200 serverless 1`,
    `${LLAMA} chat+stream planner-7 ok 200 serverless 0`,
    `${LLAMA} chat+stream planner-7 ok 200 serverless 1`,
  ]);
});

test('calls reject with the error in the settings', async () => {
  const fetch = createUpshiftFetch({ gateway: 'http://upshift.example:8787', spool: null });
  await assert.rejects(fetch(CHAT), /http:\/\/upshift.example:8787 of the gateway would receive tokens unencrypted/);
  await assert.rejects(createUpshiftFetch({ router: 'ftp://x', spool: null })(CHAT), /neither https nor http/);
});
