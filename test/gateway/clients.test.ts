import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceClient } from '@huggingface/inference';
import OpenAI from 'openai';
import { MODEL, SSE, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const engine: Behaviour = (res, { path, body }) => {
  const { model, stream } = JSON.parse(body) as { model?: string; stream?: boolean };
  if (path.startsWith('/hf-inference/models/')) return json(res, 200, [0.25, 0.5]);
  if (model !== MODEL)
    return json(res, 404, { error: { message: 'no such model', type: 'invalid_request_error', code: 'not_found' } });
  if (path === '/v1/embeddings') {
    const data = [{ object: 'embedding', index: 0, embedding: [0.25, 0.5] }];
    return json(res, 200, { object: 'list', model, data, usage: { prompt_tokens: 3, total_tokens: 3 } });
  }
  if (stream !== true) return json(res, 200, chatAnswer(model));
  res.writeHead(200, SSE);
  for (const event of chatEvents(model, ['Hel', 'lo'])) res.write(event);
  res.end();
};

const messages = [{ role: 'user' as const, content: 'Hi' }];

test('the official OpenAI client works for chat, streams, embeddings and errors', async () => {
  await using router = await startUpstream(engine);
  await using rig = await startRig({ router: router.url });
  const client = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: 'hf_x', maxRetries: 0 });
  const whole = await client.chat.completions.create({ model: MODEL, messages });
  assert.equal(whole.choices[0]?.message.content, 'Hello there');
  let text = '';
  for await (const chunk of await client.chat.completions.create({ model: MODEL, messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.equal(text, 'Hello');
  const embedded = await client.embeddings.create({ model: MODEL, input: 'a', encoding_format: 'float' });
  assert.deepEqual(embedded.data[0]?.embedding, [0.25, 0.5]);
  await assert.rejects(client.chat.completions.create({ model: 'other/model', messages }), OpenAI.NotFoundError);
  const calls = await rig.recorded(4);
  assert.deepEqual(
    calls.map((call) => [call.shape, call.status]),
    [
      ['chat', 200],
      ['chat+stream', 200],
      ['embedding', 200],
      ['chat', 404],
    ],
  );
  assert.equal(calls[2]?.promptTokens, 3);
});

test('the official Hugging Face client works for chat, streams, embeddings and errors', async () => {
  await using router = await startUpstream(engine);
  await using rig = await startRig({ router: router.url });
  const client = new InferenceClient('hf_x', { endpointUrl: rig.url });
  const whole = await client.chatCompletion({ model: MODEL, messages });
  assert.equal(whole.choices[0]?.message.content, 'Hello there');
  let text = '';
  for await (const chunk of client.chatCompletionStream({ model: MODEL, messages })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.equal(text, 'Hello');
  const embedder = new InferenceClient('hf_x', { endpointUrl: `${rig.url}/models/acme/embedder` });
  assert.deepEqual(await embedder.featureExtraction({ inputs: 'a' }), [0.25, 0.5]);
  await assert.rejects(client.chatCompletion({ model: 'other/model', messages }), { name: 'ProviderApiError' });
  const calls = await rig.recorded(4);
  assert.deepEqual(
    calls.map((call) => call.model),
    [MODEL, MODEL, 'acme/embedder', 'other/model'],
  );
});

test('an upstream that always answers 503 does not make the Hugging Face client repeat for ever', async () => {
  await using router = await startUpstream((res) => json(res, 503, { error: 'loading', estimated_time: 20 }));
  await using rig = await startRig({ router: router.url });
  const client = new InferenceClient('hf_x', { endpointUrl: rig.url });
  await assert.rejects(
    client.chatCompletion({ model: MODEL, messages }, { signal: AbortSignal.timeout(5000) }),
    (error: unknown) => {
      assert.equal((error as { httpResponse: { status: number } }).httpResponse.status, 502);
      return true;
    },
  );
  const stream = client.chatCompletionStream({ model: MODEL, messages }, { signal: AbortSignal.timeout(5000) });
  await assert.rejects(stream.next());
  assert.ok(router.received.length < 10, `${router.received.length} requests`);
});
