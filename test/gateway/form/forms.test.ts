import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Call, Shadow } from '../../../src/core/call.ts';
import { FormMemory } from '../../../src/core/form/memory.ts';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig, RigOptions } from '../rig.ts';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: SCHEMA } }];
const MOST = 1_000_000;

const message = (more: object, finish = 'stop') => ({
  ...chatAnswer(MODEL),
  choices: [{ index: 0, message: { role: 'assistant', content: null, ...more }, finish_reason: finish }],
});
const calling = (args: string, name = 'weather') =>
  message({ tool_calls: [{ id: 'c', type: 'function', function: { name, arguments: args } }] }, 'tool_calls');

const answering =
  (answer: object): Behaviour =>
  (res) =>
    json(res, 200, answer);
const streaming =
  (events: readonly string[]): Behaviour =>
  (res) => {
    res.writeHead(200, SSE);
    for (const event of events) res.write(event);
    res.end();
  };

/** The row of one call that the endpoint answers; the memory for what answers hold is free again after it. */
async function rowOf(
  behave: Behaviour,
  more: Record<string, unknown> = {},
  options: Partial<RigOptions> = {},
): Promise<Call> {
  const formMemory = new FormMemory(MOST);
  await using router = await startUpstream(answering(chatAnswer(MODEL)));
  await using endpoint = await startUpstream(behave);
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, formMemory, ...options });
  await ask(rig.url, { body: chat(more) });
  const [call] = await rig.recorded(1);
  assert.equal(formMemory.left, MOST);
  return call as Call;
}

describe('the form of an answer that passes', () => {
  it('is in the row of its call, of a whole answer and of a stream', async () => {
    const plain = {
      finish: 'stop',
      tools: null,
      format: null,
      hasLeak: false,
      hasReasoning: false,
      isRepeating: false,
      isGarbled: false,
    };
    assert.deepEqual((await rowOf(answering(chatAnswer(MODEL)))).form, { ...plain, charsPerToken: 1 });
    const words = chatEvents(MODEL, ['Hello', ' there', ' you']);
    assert.deepEqual((await rowOf(streaming(words), { stream: true })).form, { ...plain, charsPerToken: 5 });
  });

  it('says what became of the tools that the request offers', async () => {
    const tools = { isDemanded: true, called: 1, areParsed: true, areOffered: true, schema: 'good' };
    const asks = { tools: TOOLS, tool_choice: 'required' };
    assert.deepEqual((await rowOf(answering(calling('{"city":"Oslo"}')), asks)).form?.tools, tools);
    assert.deepEqual((await rowOf(answering(calling('{"town":"Oslo"}')), asks)).form?.tools, {
      ...tools,
      schema: 'bad',
    });
    const leaked = (await rowOf(answering(message({ content: '<tool_call>{"name":"weather"}</tool_call>' })), asks))
      .form;
    assert.deepEqual([leaked?.tools?.called, leaked?.hasLeak], [0, true]);
  });

  it('is not known if nothing of the answer was read', async () => {
    const body = gzipSync(JSON.stringify(chatAnswer(MODEL)));
    const odd: Behaviour = (res) =>
      res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'odd' }).end(body);
    assert.equal((await rowOf(odd)).form, null);
    const large = message({ content: 'word '.repeat(60_000) });
    const { form, outcome } = await rowOf(answering(large));
    assert.deepEqual([form, outcome], [null, 'ok']);
  });

  it('is that of the first attempt: a fall-back has none', async () => {
    const failing: Behaviour = (res) => json(res, 500, { error: 'no' });
    const row = await rowOf(failing);
    assert.deepEqual([row.outcome, row.finalOutcome, row.form], ['server_error', 'ok', null]);
    const breaking: Behaviour = (res) => {
      res.writeHead(200, SSE);
      res.write(chatEvents(MODEL, ['a'])[0], () => res.destroy());
    };
    const broken = await rowOf(breaking, { stream: true });
    assert.deepEqual([broken.finalOutcome, broken.form], ['ok', null]);
  });

  it('is not known while the memory for answers is used up, and the call goes on', async () => {
    const words = Array.from({ length: 50 }, () => 'word');
    const formMemory = new FormMemory(10);
    await using router = await startUpstream(streaming(chatEvents(MODEL, words)));
    await using rig = await startRig({ router: router.url, formMemory });
    const answer = await ask(rig.url, { body: chat({ stream: true }) });
    assert.equal(answer.body, chatEvents(MODEL, words).join(''));
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.form?.hasLeak, call?.form?.finish, call?.outputTokens], [null, 'stop', 50]);
    assert.equal(formMemory.left, 10);
  });

  it('frees its memory if the client leaves or the upstream breaks off', async () => {
    const formMemory = new FormMemory(MOST);
    const { promise: isStarted, resolve: started } = Promise.withResolvers<void>();
    await using router = await startUpstream((res) => {
      res.writeHead(200, SSE);
      for (const event of chatEvents(MODEL, ['a', 'b']).slice(0, 3)) res.write(event);
      started();
    });
    await using rig = await startRig({ router: router.url, formMemory });
    const controller = new AbortController();
    const leaving = fetch(`${rig.url}/v1/chat/completions`, {
      method: 'POST',
      body: chat({ stream: true }),
      signal: controller.signal,
    });
    await isStarted;
    const response = await leaving;
    await response.body?.getReader().read();
    controller.abort();
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.form, formMemory.left], ['client_left', null, MOST]);
  });
});

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!isSo()) {
    assert.ok(performance.now() < end, `not within a minute: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

interface Both {
  readonly call: Call;
  readonly shadow: Shadow;
}

/** A call and its copy. `first`: which of the two answers ends first. */
async function pairOf(
  live: object,
  copy: object,
  { more = {}, path, first }: { more?: object; path?: string; first: 'live' | 'copy' },
): Promise<Both> {
  const formMemory = new FormMemory(MOST);
  const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
  const later =
    (answer: object): Behaviour =>
    (res) =>
      void isOver.then(() => json(res, 200, answer));
  await using router = await startUpstream(first === 'live' ? answering(live) : later(live));
  await using endpoint = await startUpstream(first === 'copy' ? answering(copy) : later(copy));
  const shadow = { share: 1, concurrency: 8, calls: 100, exclude: new Set<string>() };
  const rig: Rig = await startRig({
    router: router.url,
    endpoint: endpoint.url,
    formMemory,
    canary: { step: 0, weight: 0, shadow },
  });
  await using _ = rig;
  const answer = ask(rig.url, { body: chat(more as Record<string, unknown>), ...(path !== undefined && { path }) });
  await until(() => (first === 'live' ? rig.calls : rig.shadows).length === 1);
  over();
  await answer;
  await until(() => rig.shadows.length === 1 && rig.calls.length === 1);
  assert.equal(formMemory.left, MOST);
  return { call: rig.calls[0] as Call, shadow: rig.shadows[0] as Shadow };
}

describe('a copy', () => {
  it('has a form of its own, and the half that ends last says how far the two agree', async () => {
    const more = { tools: TOOLS, temperature: 0 };
    const agreement = { finish: true, tools: true, args: false, text: null, cosine: null };
    for (const first of ['live', 'copy'] as const) {
      const { call, shadow } = await pairOf(calling('{"city":"Oslo"}'), calling('{"city":1}'), { more, first });
      assert.deepEqual([call.form?.tools?.schema, shadow.form?.tools?.schema], ['good', 'bad']);
      assert.deepEqual(
        [call.agreement, shadow.agreement],
        first === 'live' ? [undefined, agreement] : [agreement, null],
      );
    }
  });

  it('is compared by the text at temperature 0', async () => {
    const [live, copy] = [message({ content: 'abcd' }), message({ content: 'abXX' })];
    const { shadow } = await pairOf(live, copy, { more: { temperature: 0.0 }, first: 'live' });
    assert.deepEqual(shadow.agreement, { finish: true, tools: null, args: null, text: 0.5, cosine: null });
    const warm = await pairOf(live, copy, { more: { temperature: 1 }, first: 'live' });
    assert.equal(warm.shadow.agreement?.text, null);
  });

  it('is compared by its embeddings', async () => {
    const embedding = (values: readonly number[]) => ({
      object: 'list',
      data: [{ index: 0, embedding: values }],
      usage: { prompt_tokens: 1 },
    });
    const options = { more: { input: 'a', messages: undefined }, path: '/v1/embeddings', first: 'copy' } as const;
    const { call, shadow } = await pairOf(embedding([1, 2]), embedding([2, 4]), options);
    assert.deepEqual([call.form, shadow.form], [null, null]);
    assert.ok((call.agreement?.cosine as number) > 0.999);
  });

  it('is not compared if one of the two has no answer', async () => {
    const { call, shadow } = await pairOf({ error: { message: 'no' } }, calling('{}'), { first: 'live' });
    assert.deepEqual([call.agreement, shadow.agreement], [undefined, null]);
  });
});
