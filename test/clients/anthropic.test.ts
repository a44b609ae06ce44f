import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { LLAMA, RETRY_AFTER, setEnvironment } from '../support/desk.ts';
import { REFUSED, TOKEN, UNAVAILABLE, errorOf, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const connect = (desk: Desk) =>
  (desk.line('`@anthropic-ai/sdk`', { Anthropic, token: TOKEN }) as Anthropic).withOptions({ maxRetries: 0 });

test('@anthropic-ai/sdk gets a message, whole and as a stream', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  const whole = await client.messages.create({ model: LLAMA, messages, max_tokens: 30 });
  assert.deepEqual([whole.content[0]?.type, whole.stop_reason, whole.usage.output_tokens], ['text', 'end_turn', 30]);
  const stream = client.messages.stream({ model: LLAMA, messages, max_tokens: 40 });
  let text = '';
  stream.on('text', (piece) => (text += piece));
  const { usage } = await stream.finalMessage();
  assert.deepEqual([text.length, usage.output_tokens], [160, 40]);
  assert.deepEqual((await desk.rows(2)).map(factsOf), [
    well('message', { prompt: whole.usage.input_tokens, output: 30 }),
    well('message+stream', { prompt: usage.input_tokens, output: 40 }),
  ]);
});

test('@anthropic-ai/sdk reads a 429 and a 502 as its own errors, Retry-After included', async (t) => {
  const desk = await openDesk(t);
  const client = connect(desk);
  const asked = { model: LLAMA, messages, max_tokens: 30 };
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  for (const call of [client.messages.create(asked), client.messages.stream(asked).finalMessage()]) {
    const error = await errorOf(call);
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.match(error.message, /Rate limit reached/);
    assert.equal(error.headers.get('retry-after'), String(RETRY_AFTER));
  }
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  const error = await errorOf(client.messages.create(asked));
  assert.ok(error instanceof Anthropic.InternalServerError);
  assert.match(error.message, /is currently loading/);
  assert.equal(error.status, 502);
  assert.deepEqual((await desk.rows(3)).map(factsOf), [
    well('message', REFUSED),
    well('message+stream', REFUSED),
    well('message', UNAVAILABLE),
  ]);
});

test('@anthropic-ai/sdk may send its token as x-api-key: it is the client’s own, and tells agents apart', async (t) => {
  const desk = await openDesk(t);
  const ask = (key: string) => {
    const defaultHeaders = { 'x-api-key': key };
    const client = new Anthropic({ baseURL: desk.url, apiKey: null, authToken: null, defaultHeaders, maxRetries: 0 });
    return client.messages.create({ model: LLAMA, messages, max_tokens: 10 });
  };
  for (const key of ['hf_one', 'hf_two', 'hf_one']) await ask(key);
  const denied = await errorOf(ask('hf_norouter'));
  assert.ok(denied instanceof Anthropic.PermissionDeniedError);
  const agents = (await desk.rows(4)).map(({ agent }) => agent);
  assert.deepEqual([new Set(agents).size, agents[0] === agents[2]], [3, true]);
});

test('@anthropic-ai/sdk needs nothing but ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN', async (t) => {
  const desk = await openDesk(t);
  setEnvironment(t, { ANTHROPIC_BASE_URL: desk.url, ANTHROPIC_AUTH_TOKEN: TOKEN });
  const answer = await new Anthropic().messages.create({ model: LLAMA, messages, max_tokens: 5 });
  assert.equal(answer.usage.output_tokens, 5);
  assert.match((await desk.rows(1))[0]?.agent ?? '', /^derived-/);
});
