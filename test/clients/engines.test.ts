import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { InferenceClient } from '@huggingface/inference';
import { ChatOpenAI } from '@langchain/openai';
import { generateText } from 'ai';
import OpenAI from 'openai';
import { engineShapes } from '../../src/core/sizing/engine-shapes.ts';
import type { Engine } from '../../src/core/sizing/engine-shapes.ts';
import { isEligible } from '../../src/core/route.ts';
import { readServedModel } from '../../src/huggingface/probe/probe.ts';
import { warmUp } from '../../src/huggingface/probe/warm.ts';
import { endpointBody, startEndpoint } from '../simulation/support.ts';
import { LLAMA } from '../support/desk.ts';
import { MINILM, TOKEN, messages, openDesk } from './rig.ts';
import type { Desk } from './rig.ts';

const LLAMACPP = { ctxSize: 8192, modelPath: '/repository', nParallel: 4, threadsHttp: 4 };
const IMAGES: Readonly<Record<Engine, object>> = {
  vLLM: { vLLM: { url: 'vllm/vllm-openai:v0.23.0', port: 8000 } },
  sGLang: { sGLang: { url: 'lmsysorg/sglang:v0.5.4' } },
  llamacpp: { llamacpp: { url: 'ghcr.io/ggml-org/llama.cpp:server-cuda', ...LLAMACPP } },
  tgi: { tgi: { url: 'ghcr.io/huggingface/text-generation-inference:3.3.4' } },
  tei: { tei: { url: 'ghcr.io/huggingface/text-embeddings-inference:1.9' } },
  huggingface: { huggingface: {} },
};
const ENGINES = Object.keys(IMAGES) as Engine[];
const ARGS = ['--enable-auto-tool-choice', '--tool-call-parser', 'llama3_json'];

const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
const response_format = { type: 'json_object' };
const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
const seeing = { messages: [{ role: 'user', content: [picture] }] };

/** A call of each shape: its path and what its body holds beside the model. */
const CALLS: Readonly<Record<string, readonly [path: string, body: object]>> = {
  chat: ['/v1/chat/completions', { messages }],
  'chat+stream': ['/v1/chat/completions', { messages, stream: true }],
  'chat+tools': ['/v1/chat/completions', { messages, tools }],
  'chat+structured': ['/v1/chat/completions', { messages, response_format }],
  'chat+media': ['/v1/chat/completions', seeing],
  'chat+stream+tools': ['/v1/chat/completions', { messages, tools, stream: true }],
  completion: ['/v1/completions', { prompt: 'One,' }],
  'completion+stream': ['/v1/completions', { prompt: 'One,', stream: true }],
  embedding: ['/v1/embeddings', { input: 'one' }],
  response: ['/v1/responses', { input: 'Hi' }],
  'response+stream': ['/v1/responses', { input: 'Hi', stream: true }],
  message: ['/v1/messages', { messages }],
  'message+stream': ['/v1/messages', { messages, stream: true }],
};

/** Starts an endpoint of a model in the simulation, warms it as the daemon does, and gives it all that is eligible. */
async function promote(desk: Desk, engine: Engine, model: string): Promise<readonly string[]> {
  const name = engine.toLowerCase();
  const body = endpointBody(name, { model: { repository: model, image: IMAGES[engine], args: ARGS } });
  const url = await startEndpoint(desk.sim, body);
  const { name: servedModel } = await readServedModel(url, TOKEN, model);
  const shapes = [...Object.keys(CALLS), 'native'];
  const { shown } = await warmUp({ url, token: TOKEN, model, servedModel, shapes, engine });
  desk.promote(model, { url, servedModel, shapes: new Set(shown) });
  return shown;
}

async function post(desk: Desk, path: string, body: object): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`${desk.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  await response.bytes();
  return response.status;
}

for (const engine of ENGINES) {
  test(`${engine} gets the shapes that it has answered, and serverless gets all others`, async (t) => {
    for (const model of [LLAMA, MINILM]) {
      const desk = await openDesk(t);
      const shown = await promote(desk, engine, model);
      const isOfModel = (shape: string) => (shape === 'embedding') === (model === MINILM);
      assert.deepEqual(shown, engineShapes(engine).filter(isOfModel));
      const shapes = Object.keys(CALLS).filter(isOfModel);
      for (const shape of shapes) {
        const [path, body] = CALLS[shape] as (typeof CALLS)[string];
        assert.equal(await post(desk, path, { model, max_tokens: 5, ...body }), 200, shape);
      }
      assert.equal(await post(desk, `/models/${model}`, { inputs: 'Hi' }), 200);
      const rows = await desk.rows(shapes.length + 1);
      assert.deepEqual(
        rows.map(({ shape, served_by, is_eligible }) => [shape, served_by, is_eligible]),
        [...shapes, 'native'].map((shape) => {
          const isAble = isEligible(shape, new Set(shown));
          return [shape, isAble ? 'dedicated' : 'serverless', Number(isAble)];
        }),
      );
    }
  });
}

test('clients do not notice that an endpoint answers them, by whatever name it has for the model', async (t) => {
  for (const engine of ['vLLM', 'tgi'] as const) {
    const desk = await openDesk(t);
    await promote(desk, engine, LLAMA);
    const names = { OpenAI, InferenceClient, createOpenAICompatible, ChatOpenAI, token: TOKEN, model: LLAMA };
    const openai = desk.line('`openai`', names) as OpenAI;
    const whole = await openai.chat.completions.create({ model: `${LLAMA}:fastest`, messages, max_tokens: 5 });
    assert.equal(whole.model, LLAMA);
    const huggingFace = desk.line('`@huggingface/inference`', names) as InferenceClient;
    for await (const { model } of huggingFace.chatCompletionStream({ model: LLAMA, messages, max_tokens: 5 })) {
      assert.equal(model, LLAMA);
    }
    const aiSdk = desk.line('`@ai-sdk/openai-compatible`', names) as ReturnType<typeof createOpenAICompatible>;
    const { response } = await generateText({ model: aiSdk(LLAMA), prompt: 'Hi', maxOutputTokens: 5 });
    assert.equal(response.modelId, LLAMA);
    const langchain = desk.line('`@langchain/openai`', names) as ChatOpenAI;
    assert.equal((await langchain.invoke('Hi')).response_metadata['model_name'], LLAMA);
    const rows = await desk.rows(4);
    assert.deepEqual(
      rows.map(({ shape, served_by, outcome }) => [shape, served_by, outcome]),
      ['chat', 'chat+stream', 'chat', 'chat'].map((shape) => [shape, 'dedicated', 'ok']),
    );
  }
});
