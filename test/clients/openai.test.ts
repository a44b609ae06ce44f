import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { LLAMA, RETRY_AFTER, setEnvironment } from '../support/desk.ts';
import { MINILM, REFUSED, TOKEN, UNAVAILABLE, errorOf, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const connect = (desk: Desk) => desk.line('`openai`', { OpenAI, token: TOKEN }) as OpenAI;

test('openai chats and streams', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  const whole = await client.chat.completions.create({ model: LLAMA, messages, max_tokens: 30 });
  assert.match(whole.choices[0]?.message.content ?? '', /\w/);
  const stream_options = { include_usage: true };
  let [text, used] = ['', 0];
  for await (const chunk of await client.chat.completions.create({
    model: `${LLAMA}:groq`,
    messages,
    max_tokens: 40,
    stream: true,
    stream_options,
  })) {
    text += chunk.choices[0]?.delta.content ?? '';
    used = chunk.usage?.completion_tokens ?? used;
  }
  assert.deepEqual([text.length, used], [160, 40]);
  const [first, second] = (await desk.rows(2)).map(factsOf);
  assert.deepEqual(first, well('chat', { prompt: whole.usage?.prompt_tokens ?? 0, output: 30 }));
  assert.deepEqual({ ...second, prompt: null }, well('chat+stream', { output: 40 }));
  assert.ok((second?.prompt ?? 0) > 0);
});

test('openai completes, embeds, and speaks the responses interface', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  const completed = await client.completions.create({ model: LLAMA, prompt: 'One, two,', max_tokens: 10 });
  assert.match(completed.choices[0]?.text ?? '', /\w/);
  const embedded = await client.embeddings.create({ model: MINILM, input: ['one', 'two'] });
  assert.deepEqual(
    embedded.data.map(({ embedding }) => embedding.length),
    [384, 384],
  );
  const answer = await client.responses.create({ model: LLAMA, input: 'Say hello.', max_output_tokens: 20 });
  assert.match(answer.output_text, /\w/);
  let [text, used] = ['', 0];
  const stream = client.responses.stream({ model: LLAMA, input: 'Say hello.', max_output_tokens: 50 });
  for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta;
  used = (await stream.finalResponse()).usage?.output_tokens ?? 0;
  assert.deepEqual([text.length, used], [200, 50]);
  const { prompt_tokens: prompt } = embedded.usage;
  assert.deepEqual(
    (await desk.rows(4)).map(factsOf).map((row) => (row.shape === 'embedding' ? row : { ...row, prompt: null })),
    [
      well('completion', { output: 10 }),
      well('embedding', { model: MINILM, prompt }),
      well('response', { output: 20 }),
      well('response+stream', { output: 50 }),
    ],
  );
});

test('openai lists models', async (t) => {
  const desk = await openDesk(t);
  const { data } = await connect(desk).models.list();
  assert.ok(data.some(({ id }) => id === LLAMA));
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('models', { model: null })]);
});

test('openai reads a 429 and a 502 as its own errors, Retry-After included', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk).withOptions({ maxRetries: 0 });
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  const ask = (stream: boolean) => errorOf(client.chat.completions.create({ model: LLAMA, messages, stream }));
  for (const stream of [false, true]) {
    const error = await ask(stream);
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.match(error.message, /Rate limit reached/);
    assert.deepEqual([error.code, error.headers.get('retry-after')], ['rate_limit_exceeded', String(RETRY_AFTER)]);
  }
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  const error = await ask(false);
  assert.ok(error instanceof OpenAI.InternalServerError);
  assert.match(error.message, /is currently loading/);
  assert.deepEqual([error.status, error.code, error.type], [502, 'upstream_unavailable', 'upstream_error']);
  assert.deepEqual((await desk.rows(3)).map(factsOf), [
    well('chat', REFUSED),
    well('chat+stream', REFUSED),
    well('chat', UNAVAILABLE),
  ]);
});

test('openai needs nothing but OPENAI_BASE_URL', async (t) => {
  const desk = await openDesk(t);
  setEnvironment(t, { OPENAI_BASE_URL: `${desk.url}/v1`, OPENAI_API_KEY: TOKEN });
  const answer = await new OpenAI().chat.completions.create({ model: LLAMA, messages, max_tokens: 5 });
  assert.equal(answer.usage?.completion_tokens, 5);
  assert.match((await desk.rows(1))[0]?.agent ?? '', /^derived-/);
});
