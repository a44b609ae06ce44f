import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { TestContext } from 'node:test';
import { InferenceClient, InferenceClientProviderApiError } from '@huggingface/inference';
import { heard, picture } from '../../src/simulation/answer/tasks.ts';
import { LLAMA } from '../support/desk.ts';
import { MINILM, REFUSED, TOKEN, UNAVAILABLE, errorOf, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const FLUX = 'black-forest-labs/FLUX.1-schnell';
const WHISPER = 'openai/whisper-large-v3';
const DISTILBERT = 'distilbert/distilbert-base-uncased-finetuned-sst-2-english';
const MISTRAL = 'mistralai/Mistral-7B-v0.3';
/** 200 KB with every byte value, so that it is not valid text. */
const SOUND = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31) % 256);
const HEARD = heard(Buffer.from(SOUND));

type Names = Readonly<Record<string, unknown>>;
const connect = (desk: Desk, line: string, names: Names = {}) =>
  desk.line(line, { InferenceClient, token: TOKEN, ...names }) as InferenceClient;
const withUrl = (desk: Desk) => connect(desk, '`@huggingface/inference`');
const ofModel = (desk: Desk, model: string) => connect(desk, '`@huggingface/inference`, one model', { model });
const withProvider = (desk: Desk) =>
  connect(desk, '`@huggingface/inference`, with a provider', { fetch: fetchNear(desk) });

/** Node's own fetch, with the Hub in the simulation too. The client asks the Hub for the providers of a model. */
function fetchNear(desk: Desk, real = fetch) {
  return (url: string, init?: RequestInit) => real(url.replace('https://huggingface.co', desk.sim.hubUrl), init);
}

const native = (model: string | null) => well('native', { model });

async function bytesOf(blob: Blob): Promise<Buffer> {
  return Buffer.from(await blob.arrayBuffer());
}

test('with endpointUrl it chats, streams and generates text', async (t) => {
  const desk = await openDesk(t);
  const client = withUrl(desk);
  const whole = await client.chatCompletion({ model: LLAMA, messages, max_tokens: 30 });
  assert.equal(whole.usage.completion_tokens, 30);
  let text = '';
  for await (const chunk of client.chatCompletionStream({ model: LLAMA, messages, max_tokens: 40 })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.equal(text.length, 160);
  const { generated_text } = await client.textGeneration({
    model: LLAMA,
    inputs: 'One, two,',
    parameters: { max_new_tokens: 10 },
  });
  assert.equal(generated_text.length, 40);
  const rows = (await desk.rows(3)).map(factsOf);
  assert.ok((rows[0]?.prompt ?? 0) > 0);
  assert.deepEqual(
    rows.map((row) => ({ ...row, prompt: null })),
    [well('chat', { output: 30 }), well('chat+stream'), well('completion', { output: 10 })],
  );
});

test('with the URL of a model it does the tasks that send no model: vectors, labels, sound in, pictures out', async (t) => {
  const desk = await openDesk(t);
  assert.equal((await ofModel(desk, MINILM).featureExtraction({ inputs: 'a' })).length, 384);
  const near = await ofModel(desk, MINILM).sentenceSimilarity({
    inputs: { source_sentence: 'a', sentences: ['a', 'b'] },
  });
  assert.ok((near[0] ?? 0) > 0.99);
  const labels = await ofModel(desk, DISTILBERT).textClassification({ inputs: 'not good' });
  assert.equal(labels[0]?.label, 'NEGATIVE');
  const whisper = ofModel(desk, WHISPER);
  for (const data of [new Blob([SOUND], { type: 'audio/flac' }), SOUND.buffer]) {
    assert.equal((await whisper.automaticSpeechRecognition({ data })).text, HEARD);
  }
  const drawn = await ofModel(desk, FLUX).textToImage({ inputs: 'a cat' }, { outputType: 'blob' });
  assert.equal(drawn.type, 'image/png');
  assert.deepEqual(await bytesOf(drawn), picture('a cat'));
  const models = [MINILM, MINILM, DISTILBERT, WHISPER, WHISPER, FLUX];
  const rows = await desk.rows(6);
  assert.deepEqual(rows.map(factsOf), models.map(native));
});

test('with a custom fetch it calls the auto router and hf-inference', async (t) => {
  const desk = await openDesk(t);
  const client = withProvider(desk);
  const whole = await client.chatCompletion({ model: LLAMA, messages, max_tokens: 30 });
  assert.equal(whole.usage.completion_tokens, 30);
  let text = '';
  for await (const chunk of client.chatCompletionStream({ model: LLAMA, messages, max_tokens: 40 })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  assert.equal(text.length, 160);
  const provider = 'hf-inference';
  assert.equal((await client.featureExtraction({ provider, model: MINILM, inputs: 'a' })).length, 384);
  const labels = await client.textClassification({ provider, model: DISTILBERT, inputs: 'good' });
  assert.equal(labels[0]?.label, 'POSITIVE');
  const data = new Blob([SOUND], { type: 'audio/flac' });
  assert.equal((await client.automaticSpeechRecognition({ provider, model: WHISPER, data })).text, HEARD);
  const drawn = await client.textToImage({ provider, model: FLUX, inputs: 'a cat' }, { outputType: 'blob' });
  assert.deepEqual(await bytesOf(drawn), picture('a cat'));
  const rows = (await desk.rows(6)).map(factsOf);
  assert.deepEqual(
    rows.map((row) => ({ ...row, prompt: null })),
    [well('chat', { output: 30 }), well('chat+stream'), ...[MINILM, DISTILBERT, WHISPER, FLUX].map(native)],
  );
});

test('with a custom fetch it calls the native routes of a provider, forms with files among them', async (t) => {
  const desk = await openDesk(t);
  const client = withProvider(desk);
  const provider = 'together';
  const { generated_text } = await client.textGeneration({ provider, model: MISTRAL, inputs: 'One,' });
  assert.match(generated_text, /\w/);
  const drawn = await client.textToImage({ provider, model: FLUX, inputs: 'a dog' }, { outputType: 'blob' });
  assert.deepEqual(await bytesOf(drawn), picture('a dog'));
  const data = new Blob([SOUND], { type: 'audio/flac' });
  assert.equal((await client.automaticSpeechRecognition({ provider, model: WHISPER, data })).text, HEARD);
  const rows = (await desk.rows(3)).map(factsOf);
  assert.ok((rows[0]?.output ?? 0) > 0);
  assert.deepEqual(
    rows.map((row) => ({ ...row, prompt: null, output: null })),
    // The gateway does not read the model of a form.
    [native(MISTRAL), native(FLUX), native(null)],
  );
});

test('it polls a queue with the global fetch, which must use the gateway too', async (t) => {
  const desk = await openDesk(t);
  const near = fetchNear(desk);
  const real = fetch;
  const gateway = `${desk.url}/agents/planner-7`;
  replaceFetch(t, (url, init) => near(url.replace('https://router.huggingface.co', gateway), init), real);
  const client = new InferenceClient(TOKEN);
  const asked = { provider: 'fal-ai', model: FLUX, inputs: 'a bird' } as const;
  const drawn = await client.textToImage(asked, { outputType: 'blob' });
  assert.deepEqual(await bytesOf(drawn), picture('a bird'));
  // The job, one or more reads of its state, and its result. The picture itself comes from the provider.
  const rows = await desk.rows(3);
  assert.deepEqual(rows.map(factsOf), [native(null), native(null), native(null)]);
});

function replaceFetch(t: TestContext, by: (url: string, init?: RequestInit) => Promise<Response>, real: typeof fetch) {
  const replaced = mock.method(globalThis, 'fetch', (url: string, init?: RequestInit) =>
    url.startsWith('https:') ? by(url, init) : real(url, init),
  );
  t.after(() => replaced.mock.restore());
}

test('a 429 and a 502 are its own errors with the text of the answer, and are not retried', async (t) => {
  const desk = await openDesk(t);
  const client = withUrl(desk);
  const stream = async () => {
    for await (const _ of client.chatCompletionStream({ model: LLAMA, messages })) assert.fail('a chunk');
  };
  const ways = [
    () => client.chatCompletion({ model: LLAMA, messages }),
    stream,
    () => ofModel(desk, MINILM).featureExtraction({ inputs: 'a' }),
  ];
  const said = async (status: number, code: string) => {
    for (const way of ways) {
      const error = await errorOf(way());
      assert.ok(error instanceof InferenceClientProviderApiError);
      assert.equal(error.httpResponse.status, status);
      assert.equal((error.httpResponse.body as { error: { code: string } }).error.code, code);
    }
  };
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  await said(429, 'rate_limit_exceeded');
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  await said(502, 'upstream_unavailable');
  const rows = [well('chat'), well('chat+stream'), native(MINILM)];
  assert.deepEqual(
    (await desk.rows(6)).map(factsOf),
    [REFUSED, UNAVAILABLE].flatMap((end) => rows.map((row) => ({ ...row, ...end }))),
  );
});
