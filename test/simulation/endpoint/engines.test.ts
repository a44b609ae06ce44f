import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_LIMITS, statedLimits } from '../../../src/core/endpoint-limits.ts';
import { LLAMA, chat, endpointBody, send, startEndpoint, startFast } from '../support.ts';

const LLAMACPP = { url: 'a', ctxSize: 4000, modelPath: 'a/Q4_K_M.gguf', nParallel: 4, threadsHttp: 4 };

const served: readonly (readonly [
  engine: string,
  image: object,
  more: object,
  name: string,
  context: number | undefined,
])[] = [
  ['vLLM', { vLLM: { url: 'a' } }, {}, LLAMA, 131_072],
  ['vLLM', { vLLM: { url: 'a' } }, { args: ['--max-model-len', '8192'] }, LLAMA, 8192],
  ['SGLang', { sGLang: { url: 'a' } }, {}, '/repository', 131_072],
  ['SGLang', { sGLang: { url: 'a' } }, { args: ['--served-model-name=own', '--context-length=512'] }, 'own', 512],
  ['TGI', { tgi: { url: 'a' } }, {}, '/repository', undefined],
  ['llama.cpp', { llamacpp: LLAMACPP }, {}, '/repository/a/Q4_K_M.gguf', undefined],
  ['llama.cpp', { llamacpp: LLAMACPP }, { env: { LLAMA_ARG_ALIAS: 'own' } }, 'own', undefined],
];
test('each engine lists its model by its own kind of name, and only vLLM and SGLang state their context', async () => {
  await using sim = await startFast({ quotas: { 'nvidia-l4': 20 } });
  for (const [i, [engine, image, more, name, context]] of served.entries()) {
    const url = await startEndpoint(sim, endpointBody(`e${i}`, { model: { image, ...more } }));
    const { json } = await send('GET', `${url}/v1/models`);
    assert.deepEqual([json.data[0].id, json.data[0].max_model_len], [name, context], engine);
    assert.equal((await send('POST', `${url}/v1/chat/completions`, chat({ model: name }))).json.model, name);
  }
  const tei = await startEndpoint(sim, endpointBody('tei', { model: { image: { tei: { url: 'a' } } } }));
  assert.equal((await send('GET', `${tei}/v1/models`)).status, 404);
});

const narrow: readonly (readonly [engine: string, image: object, more: object, status: number, what: string])[] = [
  ['vLLM', { vLLM: { url: 'a' } }, { args: ['--max-model-len', '1000'] }, 400, 'totalTokens'],
  ['SGLang', { sGLang: { url: 'a' } }, { args: ['--context-length', '1000'] }, 400, 'totalTokens'],
  ['TGI', { tgi: { url: 'a', maxTotalTokens: 1000 } }, {}, 422, 'totalTokens'],
  ['llama.cpp', { llamacpp: LLAMACPP }, {}, 400, 'promptTokens'],
];
for (const [engine, image, more, status, what] of narrow) {
  test(`${engine} refuses what is too long for its context, in words that state the context`, async () => {
    await using sim = await startFast();
    const url = await startEndpoint(sim, endpointBody('narrow', { model: { image, ...more } }));
    const ask = (prompt_tokens: number, max_tokens: number) =>
      send('POST', `${url}/v1/chat/completions`, chat({ metadata: { prompt_tokens }, max_tokens }));
    assert.equal((await ask(990, 10)).status, 200);
    assert.equal((await ask(5, 990)).status, 200);
    const [prompt, sum] = [await ask(1_500, 5), await ask(900, 500)];
    assert.equal(prompt.status, status);
    assert.equal(sum.status, what === 'totalTokens' ? status : 200);
    const said = what === 'totalTokens' ? sum : prompt;
    assert.deepEqual(statedLimits(said.text), { ...NO_LIMITS, [what]: 1_000 });
  });
}

test('the fault narrow shrinks the context that an engine takes, and not the one that it states', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await sim.setFault({ target: 'endpoint', kind: 'narrow', factor: 0.001 });
  assert.equal((await send('GET', `${url}/v1/models`)).json.data[0].max_model_len, 131_072);
  const long = await send('POST', `${url}/v1/chat/completions`, chat({ metadata: { prompt_tokens: 131 } }));
  assert.equal(long.status, 400);
  assert.deepEqual(statedLimits(long.text), { ...NO_LIMITS, totalTokens: 131 });
  assert.equal(
    (await send('POST', `${url}/v1/chat/completions`, chat({ metadata: { prompt_tokens: 9 } }))).status,
    200,
  );
});

const tools = ['look', 'ask'].map((name) => ({
  type: 'function',
  function: {
    name,
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
}));
const EITHER = ['look', 'ask'];
const choices: readonly (readonly [title: string, more: object, called: readonly string[]])[] = [
  ['required', { tool_choice: 'required' }, EITHER],
  ['a named function', { tool_choice: { type: 'function', function: { name: 'ask' } } }, ['ask']],
  ['auto, after a message of the user', { tool_choice: 'auto' }, EITHER],
  ['no choice', {}, EITHER],
  ['auto, after the answer of a tool', { messages: [{ role: 'tool', content: 'sun', tool_call_id: 'c' }] }, []],
  [
    'required, after the answer of a tool',
    { tool_choice: 'required', messages: [{ role: 'tool', content: 'sun' }] },
    EITHER,
  ],
  ['none', { tool_choice: 'none' }, []],
];
for (const [title, more, called] of choices) {
  test(`${called.length === 0 ? 'calls no tool' : 'calls a tool'} with tool_choice: ${title}`, async () => {
    await using sim = await startFast();
    const url = await startEndpoint(sim, endpointBody('tools', { model: { args: ['--enable-auto-tool-choice'] } }));
    for (const base of [url, sim.routerUrl]) {
      const body = chat({ tools, ...more });
      const [whole] = (await send('POST', `${base}/v1/chat/completions`, body)).json.choices;
      const { text } = await send('POST', `${base}/v1/chat/completions`, { ...body, stream: true });
      const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json ?? '').choices[0]);
      const reason = called.length === 0 ? 'stop' : 'tool_calls';
      assert.deepEqual([whole.finish_reason, events.at(-1).finish_reason], [reason, reason]);
      const made = events.map(({ delta }) => delta.tool_calls?.[0].function);
      const name = whole.message.tool_calls?.[0].function.name;
      assert.equal(made[0]?.name, name);
      assert.equal(called.includes(name), called.length > 0);
      if (called.length === 0) continue;
      assert.equal(whole.message.content, null);
      const args = { city: 'text', days: 1 };
      assert.deepEqual(JSON.parse(whole.message.tool_calls[0].function.arguments), args);
      assert.deepEqual(JSON.parse(made.map((one) => one.arguments).join('')), args);
    }
  });
}

test('TGI streams in its own form, and so does the inference API', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('tgi', { model: { image: { tgi: { url: 'a' } } } }));
  const body = { inputs: 'One, two,', parameters: { max_new_tokens: 12 } };
  const streams = [
    await send('POST', url, { ...body, stream: true }),
    await send('POST', `${url}/generate_stream`, body),
    await send('POST', `${sim.routerUrl}/hf-inference/models/${LLAMA}`, { ...body, stream: true }),
  ];
  for (const { text, headers } of streams) {
    assert.match(headers.get('content-type') ?? '', /event-stream/);
    const events = text
      .trim()
      .split('\n\n')
      .map((event) => JSON.parse(event.replace(/^data:/, '')));
    const last = events.at(-1);
    assert.equal(events.map(({ token }) => token.text).join(''), last.generated_text);
    assert.deepEqual([last.details.finish_reason, last.details.generated_tokens], ['length', 12]);
    assert.ok(events.slice(0, -1).every(({ generated_text, details }) => generated_text === null && details === null));
  }
  const whole = await send('POST', `${url}/generate`, body);
  assert.equal(whole.json.details.generated_tokens, 12);
  assert.match((await send('POST', url, body)).json[0].generated_text, /^One, two,/);
});
