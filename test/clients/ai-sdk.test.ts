import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHuggingFace } from '@ai-sdk/huggingface';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embed, generateText, streamText } from 'ai';
import type { LanguageModel } from 'ai';
import { LLAMA, RETRY_AFTER } from '../support/desk.ts';
import { MINILM, REFUSED, TOKEN, UNAVAILABLE, errorOf, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const token = TOKEN;
const huggingFace = (desk: Desk) => {
  const make = desk.line('`@ai-sdk/huggingface`', { createHuggingFace, token });
  return (make as ReturnType<typeof createHuggingFace>)(LLAMA);
};
const compatible = (desk: Desk) => {
  const make = desk.line('`@ai-sdk/openai-compatible`', { createOpenAICompatible, token });
  return make as ReturnType<typeof createOpenAICompatible>;
};

const clients: readonly [name: string, model: (desk: Desk) => LanguageModel, shape: string][] = [
  ['@ai-sdk/huggingface', huggingFace, 'response'],
  ['@ai-sdk/openai-compatible', (desk) => compatible(desk)(LLAMA), 'chat'],
];

for (const [name, modelAt, shape] of clients) {
  test(`${name} generates and streams text`, async (t) => {
    const desk = await openDesk(t);
    const model = modelAt(desk);
    const asked = { model, prompt: 'Say hello.', maxRetries: 0 };
    const whole = await generateText({ ...asked, maxOutputTokens: 30 });
    assert.deepEqual([whole.text.length, whole.usage.outputTokens], [120, 30]);
    const streamed = streamText({ ...asked, maxOutputTokens: 40 });
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    assert.deepEqual([text.length, (await streamed.usage).outputTokens], [160, 40]);
    const rows = (await desk.rows(2)).map(factsOf);
    assert.equal(rows[0]?.prompt, whole.usage.inputTokens);
    assert.deepEqual(
      rows.map((row) => ({ ...row, prompt: null })),
      [well(shape, { output: 30 }), well(`${shape}+stream`, { output: 40 })],
    );
  });

  test(`${name} reads a 429 and a 502 as APICallError, Retry-After included`, async (t) => {
    const desk = await openDesk(t);
    const asked = { model: modelAt(desk), prompt: 'Say hello.', maxRetries: 0 };
    await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
    const refused = await errorOf(generateText(asked));
    assert.ok(APICallError.isInstance(refused));
    assert.match(refused.message, /Rate limit reached/);
    assert.deepEqual(
      [refused.statusCode, refused.isRetryable, refused.responseHeaders?.['retry-after']],
      [429, true, String(RETRY_AFTER)],
    );
    const errors: unknown[] = [];
    await streamText({ ...asked, onError: ({ error }) => void errors.push(error) }).consumeStream();
    assert.ok(APICallError.isInstance(errors[0]) && errors[0].statusCode === 429);
    await desk.sim.clearFaults();
    await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
    const failed = await errorOf(generateText(asked));
    assert.ok(APICallError.isInstance(failed));
    assert.match(failed.message, /is currently loading/);
    assert.deepEqual([failed.statusCode, failed.isRetryable], [502, true]);
    assert.deepEqual((await desk.rows(3)).map(factsOf), [
      well(shape, REFUSED),
      well(`${shape}+stream`, REFUSED),
      well(shape, UNAVAILABLE),
    ]);
  });
}

test('@ai-sdk/openai-compatible embeds', async (t) => {
  const desk = await openDesk(t);
  const { embedding, usage } = await embed({ model: compatible(desk).embeddingModel(MINILM), value: 'hello' });
  assert.equal(embedding.length, 384);
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('embedding', { model: MINILM, prompt: usage.tokens })]);
});
