import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubApiError, checkRepoAccess, modelInfo, whoAmI } from '@huggingface/hub';
import { InferenceClient, InferenceClientProviderApiError } from '@huggingface/inference';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { APIError } from 'openai';
import { LLAMA, MINILM, TOKEN, endpointBody, send, startEndpoint, startFast } from './support.ts';

const messages = [{ role: 'user' as const, content: 'hello' }];

test('@huggingface/inference chats, streams and embeds at the router', async () => {
  await using sim = await startFast();
  const client = new InferenceClient(TOKEN, { endpointUrl: `${sim.routerUrl}/v1` });
  const answer = await client.chatCompletion({ model: LLAMA, messages, max_tokens: 30 });
  assert.equal(answer.usage.completion_tokens, 30);
  let text = '';
  for await (const chunk of client.chatCompletionStream({ model: LLAMA, messages, max_tokens: 100 })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.equal(text.length, 400);
  const embedder = new InferenceClient(TOKEN, { endpointUrl: `${sim.routerUrl}/hf-inference/models/${MINILM}` });
  assert.equal((await embedder.featureExtraction({ inputs: 'a' })).length, 384);
});

test('@huggingface/inference chats at an endpoint', async () => {
  await using sim = await startFast();
  const endpointUrl = await startEndpoint(sim, endpointBody('chat'));
  const client = new InferenceClient(TOKEN, { endpointUrl, retry_on_error: false });
  const answer = await client.chatCompletion({ model: LLAMA, messages, max_tokens: 30 });
  assert.equal(answer.model, LLAMA);
  const wrong = client.chatCompletion({ model: 'other', messages });
  await assert.rejects(
    wrong,
    (error) => error instanceof InferenceClientProviderApiError && error.httpResponse.status === 404,
  );
});

test('openai chats, streams, embeds and lists at the router', async () => {
  await using sim = await startFast();
  const client = new OpenAI({ baseURL: `${sim.routerUrl}/v1`, apiKey: TOKEN, maxRetries: 0 });
  const answer = await client.chat.completions.create({ model: LLAMA, messages, max_tokens: 30 });
  assert.equal(answer.usage?.completion_tokens, 30);
  const stream = await client.chat.completions.create({
    model: LLAMA,
    messages,
    max_tokens: 100,
    stream: true,
    stream_options: { include_usage: true },
  });
  let [text, used] = ['', 0];
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    used = chunk.usage?.completion_tokens ?? used;
  }
  assert.deepEqual([text.length, used], [400, 100]);
  const embedding = await client.embeddings.create({ model: MINILM, input: 'a' });
  assert.equal(embedding.data[0]?.embedding.length, 384);
  const response = await client.responses.create({ model: LLAMA, input: 'a' });
  assert.match(response.output_text, /\w/);
  assert.ok((await client.models.list()).data.some((model) => model.id === LLAMA));
  const wrong = client.chat.completions.create({ model: 'no/such', messages });
  await assert.rejects(wrong, (error) => error instanceof APIError && error.code === 'model_not_supported');
});

test('@huggingface/hub reads the user of the token, the facts of a model, and whether the token may use it', async () => {
  await using sim = await startFast();
  const { hubUrl } = sim;
  const me = await whoAmI({ hubUrl, accessToken: TOKEN });
  assert.ok(me.type === 'user');
  assert.deepEqual([me.name, me.canPay, me.orgs[0]?.name], ['acme', true, 'acme-labs']);
  await assert.rejects(whoAmI({ hubUrl, accessToken: 'hf_bad' }), statusIs(401));
  const additionalFields = ['safetensors', 'inferenceProviderMapping'] as const;
  const info = await modelInfo({ hubUrl, name: LLAMA, accessToken: TOKEN, additionalFields: [...additionalFields] });
  assert.deepEqual([info.name, info.task, info.gated, info.private], [LLAMA, 'text-generation', false, false]);
  assert.equal(info.safetensors?.total, 8_030_261_248);
  assert.equal(info.inferenceProviderMapping?.[0]?.provider, 'groq');
  const access = (name: string) => checkRepoAccess({ hubUrl, repo: name, accessToken: TOKEN });
  await access(LLAMA);
  await assert.rejects(access('no/such'), statusIs(404));
  await assert.rejects(access('acme/closed-model'), statusIs(403));
  await assert.rejects(modelInfo({ hubUrl, name: 'no/such' }), statusIs(401));
});

test('a gated model shows its card to everyone and serves only users who were granted access', async () => {
  await using sim = await startFast();
  const models = `${sim.hubUrl}/api/models`;
  const card = await send('GET', `${models}/meta-llama/Llama-3.3-70B-Instruct?expand[]=gated`);
  assert.deepEqual([card.status, card.json.gated], [200, 'manual']);
  assert.equal((await send('GET', `${models}/meta-llama/Llama-3.3-70B-Instruct/auth-check`)).status, 403);
  assert.equal((await send('GET', `${models}/google/gemma-2-2b-it/auth-check`)).status, 200);
});

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const;

test('openai calls a tool by the responses interface, and gets JSON by its schema', async () => {
  await using sim = await startFast();
  const client = new OpenAI({ baseURL: `${sim.routerUrl}/v1`, apiKey: TOKEN, maxRetries: 0 });
  const tools = [{ type: 'function' as const, name: 'look', parameters, strict: true }];
  const stream = client.responses.stream({ model: LLAMA, input: 'Bergen?', tools, tool_choice: 'required' });
  const { output } = await stream.finalResponse();
  const [call] = output;
  assert.ok(call?.type === 'function_call');
  assert.deepEqual([call.name, Object.keys(JSON.parse(call.arguments))], ['look', ['city']]);
  const result = { type: 'function_call_output' as const, call_id: call.call_id, output: 'rain' };
  const after = await client.responses.create({ model: LLAMA, input: [call, result], tools });
  assert.match(after.output_text, /\w/);
  const format = { type: 'json_schema' as const, name: 'place', schema: parameters, strict: true };
  const json = await client.responses.create({ model: LLAMA, input: 'Bergen?', text: { format } });
  assert.deepEqual(Object.keys(JSON.parse(json.output_text)), ['city']);
  const thinking = await client.responses.create({ model: LLAMA, input: 'Bergen?', reasoning: { effort: 'high' } });
  assert.deepEqual(
    thinking.output.map(({ type }) => type),
    ['reasoning', 'message'],
  );
});

test('@anthropic-ai/sdk gets thoughts and a tool call, whole and as a stream, and no call after the result', async () => {
  await using sim = await startFast();
  const client = new Anthropic({ baseURL: sim.routerUrl, apiKey: null, authToken: TOKEN, maxRetries: 0 });
  const asked = {
    model: LLAMA,
    max_tokens: 2048,
    messages: [{ role: 'user' as const, content: 'Bergen?' }],
    tools: [{ name: 'look', input_schema: parameters as unknown as Anthropic.Tool.InputSchema }],
    tool_choice: { type: 'any' as const },
    thinking: { type: 'enabled' as const, budget_tokens: 1024 },
  };
  for (const answer of [await client.messages.create(asked), await client.messages.stream(asked).finalMessage()]) {
    assert.equal(answer.stop_reason, 'tool_use');
    const [thought, use] = answer.content;
    assert.ok(thought?.type === 'thinking' && thought.thinking !== '');
    assert.ok(use?.type === 'tool_use');
    assert.deepEqual([use.name, Object.keys(use.input as object)], ['look', ['city']]);
  }
  const result = [{ type: 'tool_result' as const, tool_use_id: 'a', content: 'rain' }];
  const messages = [...asked.messages, { role: 'user' as const, content: result }];
  const after = await client.messages.create({ ...asked, messages, tool_choice: { type: 'auto' } });
  assert.equal(after.stop_reason, 'end_turn');
});

function statusIs(status: number): (error: unknown) => boolean {
  return (error) => error instanceof HubApiError && error.statusCode === status;
}
