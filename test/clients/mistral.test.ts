import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { SDKError } from '@mistralai/mistralai/models/errors';
import { LLAMA, RETRY_AFTER } from '../support/desk.ts';
import { REFUSED, TOKEN, UNAVAILABLE, errorOf, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const connect = (desk: Desk) => desk.line('`@mistralai/mistralai`', { Mistral, token: TOKEN }) as Mistral;

test('@mistralai/mistralai chats and streams', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  const whole = await client.chat.complete({ model: LLAMA, messages, maxTokens: 30 });
  const said = whole.choices[0]?.message?.content;
  assert.deepEqual([said?.length, whole.usage.completionTokens], [120, 30]);
  let text = '';
  for await (const { data } of await client.chat.stream({ model: LLAMA, messages, maxTokens: 40 })) {
    const piece = data.choices[0]?.delta.content;
    if (typeof piece === 'string') text += piece;
  }
  assert.equal(text.length, 160);
  assert.deepEqual((await desk.rows(2)).map(factsOf), [
    well('chat', { prompt: whole.usage.promptTokens ?? 0, output: 30 }),
    well('chat+stream'),
  ]);
});

test('@mistralai/mistralai reads a 429 and a 502 as its own errors, Retry-After included', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  for (const ask of [
    () => client.chat.complete({ model: LLAMA, messages }),
    () => client.chat.stream({ model: LLAMA, messages }),
  ]) {
    const refused = await errorOf(ask());
    assert.ok(refused instanceof SDKError);
    assert.match(refused.message, /Rate limit reached/);
    assert.deepEqual([refused.statusCode, refused.headers.get('retry-after')], [429, String(RETRY_AFTER)]);
  }
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  const failed = await errorOf(client.chat.complete({ model: LLAMA, messages }));
  assert.ok(failed instanceof SDKError);
  assert.match(failed.message, /is currently loading/);
  assert.equal(failed.statusCode, 502);
  assert.deepEqual((await desk.rows(3)).map(factsOf), [
    well('chat', REFUSED),
    well('chat+stream', REFUSED),
    well('chat', UNAVAILABLE),
  ]);
});
