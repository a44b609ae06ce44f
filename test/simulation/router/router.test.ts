import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handClock } from '../clocks.ts';
import { LLAMA, MINILM, chat, send, startFast, until } from '../support.ts';

test('the answer is as long as max_tokens says and the prompt as long as the metadata states', async () => {
  await using sim = await startFast();
  const body = chat({ max_tokens: 321, metadata: { prompt_tokens: '4083' } });
  const { status, json, headers } = await send('POST', `${sim.routerUrl}/v1/chat/completions`, body);
  assert.equal(status, 200);
  assert.deepEqual(json.usage, { prompt_tokens: 4083, completion_tokens: 321, total_tokens: 4404 });
  assert.equal(json.choices[0].finish_reason, 'stop');
  assert.equal(headers.get('x-inference-provider'), 'groq');
  assert.match(headers.get('x-request-id') ?? '', /./);
});

test('a stream ends with finish_reason, with usage only if the call asks for it, and with [DONE]', async () => {
  await using sim = await startFast();
  const url = `${sim.routerUrl}/v1/chat/completions`;
  const plain = await send('POST', url, chat({ stream: true }));
  assert.match(plain.headers.get('content-type') ?? '', /^text\/event-stream/);
  const events = plain.text.trimEnd().split('\n\n');
  assert.equal(events.at(-1), 'data: [DONE]');
  assert.match(events.at(-2) ?? '', /"finish_reason":"stop"/);
  assert.ok(!plain.text.includes('usage'));
  const asked = await send('POST', url, chat({ stream: true, stream_options: { include_usage: true } }));
  assert.match(asked.text, /"choices":\[\],"usage":\{"prompt_tokens":\d+,"completion_tokens":20,/);
});

test('the other shapes answer in their own form', async () => {
  await using sim = await startFast();
  const v1 = `${sim.routerUrl}/v1`;
  const completion = await send('POST', `${v1}/completions`, { model: LLAMA, prompt: 'a', max_tokens: 5 });
  assert.equal(completion.json.object, 'text_completion');
  const response = await send('POST', `${v1}/responses`, { model: LLAMA, input: 'a', max_output_tokens: 5 });
  assert.equal(response.json.output[0].content[0].type, 'output_text');
  const message = await send('POST', `${v1}/messages`, { model: LLAMA, messages: [], max_tokens: 5 });
  assert.deepEqual(message.json.usage.output_tokens, 5);
  const streamed = await send('POST', `${v1}/responses`, { model: LLAMA, input: 'a', stream: true });
  assert.match(streamed.text, /event: response\.completed\n/);
  const events = await send('POST', `${v1}/messages`, { model: LLAMA, messages: [], max_tokens: 5, stream: true });
  assert.match(events.text, /event: message_stop\n/);
  const embedding = await send('POST', `${v1}/embeddings`, { model: MINILM, input: ['a', 'b'] });
  assert.equal(embedding.json.data[1].embedding.length, 384);
});

test("Hugging Face's own paths take the model from the path", async () => {
  await using sim = await startFast();
  const base = `${sim.routerUrl}/hf-inference/models`;
  const vector = await send('POST', `${base}/${MINILM}`, { inputs: 'a' });
  assert.equal(vector.json.length, 384);
  const pipeline = await send('POST', `${base}/${MINILM}/pipeline/feature-extraction`, { inputs: ['a', 'b'] });
  assert.equal(pipeline.json.length, 2);
  const pair = { source_sentence: 'same', sentences: ['same', 'quite another'] };
  const near = await send('POST', `${base}/${MINILM}/pipeline/sentence-similarity`, { inputs: pair });
  assert.ok(near.json[0] > 0.999 && near.json[1] < near.json[0]);
  assert.equal((await send('POST', `${base}/${LLAMA}/v1/chat/completions`, chat())).status, 200);
  assert.equal((await send('POST', `${base}/no/such`, { inputs: 'a' })).status, 404);
});

test('suffixes choose a provider, and so does a path', async () => {
  await using sim = await startFast();
  const ask = async (model: string, path = '') => {
    const answer = await send('POST', `${sim.routerUrl}${path}/v1/chat/completions`, chat({ model }));
    return answer.headers.get('x-inference-provider') ?? answer.status;
  };
  assert.equal(await ask(`${LLAMA}:fastest`), 'groq');
  assert.equal(await ask(`${LLAMA}:novita`), 'novita');
  assert.equal(await ask(LLAMA, '/nscale'), 'nscale');
  assert.equal(await ask(`${LLAMA}:nobody`), 400);
});

test('the list of models shows providers and prices', async () => {
  await using sim = await startFast();
  const { json } = await send('GET', `${sim.routerUrl}/v1/models`);
  const llama = json.data.find((model: { id: string }) => model.id === LLAMA);
  assert.deepEqual(llama.providers[0].pricing, { input: 0.05, output: 0.08 });
  assert.equal((await send('GET', `${sim.routerUrl}/v1/models/${LLAMA}`)).json.id, LLAMA);
  assert.equal((await send('GET', `${sim.routerUrl}/v1/models/no/such`)).status, 404);
});

test('wrong tokens, models and bodies are refused as the router refuses them', async () => {
  await using sim = await startFast();
  const url = `${sim.routerUrl}/v1/chat/completions`;
  const denied = await send('POST', url, chat(), 'hf_bad');
  assert.deepEqual([denied.status, denied.json], [401, { error: 'Invalid username or password.' }]);
  assert.equal((await send('POST', url, chat(), 'hf_norouter')).status, 403);
  const unknown = await send('POST', url, chat({ model: 'no/such' }));
  assert.deepEqual([unknown.status, unknown.json.error.code], [400, 'model_not_supported']);
  assert.equal((await send('POST', url, '{"model":')).status, 422);
  assert.equal((await send('POST', `${sim.routerUrl}/v1/nonsense`, {})).status, 404);
});

test('structured answers fit the schema that the call names', async () => {
  await using sim = await startFast();
  const properties = { city: { type: 'string' }, size: { type: 'integer' } };
  const schema = { type: 'object', properties, required: ['city', 'size'] };
  const format = { type: 'json_schema', json_schema: { name: 'place', schema } };
  const { json } = await send('POST', `${sim.routerUrl}/v1/chat/completions`, chat({ response_format: format }));
  assert.deepEqual(JSON.parse(json.choices[0].message.content), { city: 'text', size: 1 });
});

test('calls beyond the limit of a window get 429 in the form of a provider, until the next window', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock, limits: { routerCalls: 3 } });
  const call = async () => {
    const answer = send('POST', `${sim.routerUrl}/v1/chat/completions`, chat());
    let isOver = false;
    void answer.finally(() => (isOver = true));
    await until(() => {
      clock.advance(100);
      return isOver;
    });
    return answer;
  };
  for (let taken = 0; taken < 3; taken += 1) assert.equal((await call()).status, 200);
  const refused = await call();
  assert.equal(refused.status, 429);
  assert.equal(refused.json.error.code, 'rate_limit_exceeded');
  assert.equal(refused.headers.get('retry-after'), null);
  clock.advance(300_000);
  assert.equal((await call()).status, 200);
  assert.deepEqual(sim.state().counters['router'], { 200: 4, 429: 1 });
});

test('too many calls at once get 503', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock, limits: { routerInFlight: 2 } });
  const url = `${sim.routerUrl}/v1/chat/completions`;
  const first = [send('POST', url, chat()), send('POST', url, chat())];
  await until(() => sim.state().router.inFlight === 2);
  assert.equal((await send('POST', url, chat())).status, 503);
  clock.advance(60_000);
  for (const answer of first) assert.equal((await answer).status, 200);
});

test('faults for credit, refusals and outages can be switched on and off while the simulation runs', async () => {
  await using sim = await startFast();
  const url = `${sim.routerUrl}/v1/chat/completions`;
  for (const [kind, status] of [
    ['credits', 402],
    ['unavailable', 503],
    ['ratelimits', 429],
    ['errors', 500],
  ] as const) {
    const set = await send('POST', `${sim.controlUrl}/faults`, { target: 'router', kind });
    assert.deepEqual(set.json.faults.length, 1);
    assert.equal((await send('POST', url, chat())).status, status);
    await send('POST', `${sim.controlUrl}/faults`, { clear: true });
  }
  assert.equal((await send('POST', url, chat())).status, 200);
  await sim.setFault({ target: 'router', kind: 'cuts' });
  await assert.rejects(send('POST', url, chat({ stream: true, max_tokens: 400 })));
  await assert.rejects(send('POST', url, chat()));
});

test('an unknown fault is refused, and the error lists the allowed ones', async () => {
  await using sim = await startFast();
  const refused = await send('POST', `${sim.controlUrl}/faults`, { target: 'router', kind: 'dies' });
  assert.equal(refused.status, 400);
  assert.match(refused.json.error, /kind of a fault is "dies"; allowed: .*credits/);
  const share = await send('POST', `${sim.controlUrl}/faults`, { target: 'router', kind: 'errors', share: 5 });
  assert.match(share.json.error, /share of a fault is 5; allowed: a number from 0 to 1/);
});
