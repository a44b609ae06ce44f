import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatOpenAI } from '@langchain/openai';
import { LLAMA, RETRY_AFTER } from '../support/desk.ts';
import { REFUSED, TOKEN, UNAVAILABLE, errorOf, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

/** `maxRetries` is 6 by default, with waits between retries. */
class Once extends ChatOpenAI {
  constructor(fields: ConstructorParameters<typeof ChatOpenAI>[0]) {
    super({ ...(fields as object), maxRetries: 0, maxTokens: 30 });
  }
}

const connect = (desk: Desk) =>
  desk.line('`@langchain/openai`', { ChatOpenAI: Once, token: TOKEN, model: LLAMA }) as ChatOpenAI;

test('@langchain/openai invokes and streams', async (t) => {
  const desk = await openDesk(t);
  const chat = connect(desk);
  const whole = await chat.invoke('Say hello.');
  assert.deepEqual([whole.text.length, whole.usage_metadata?.output_tokens], [120, 30]);
  let [text, used] = ['', 0];
  for await (const chunk of await chat.stream('Say hello.')) {
    text += chunk.text;
    used = chunk.usage_metadata?.output_tokens ?? used;
  }
  assert.deepEqual([text.length, used], [120, 30]);
  const rows = (await desk.rows(2)).map(factsOf);
  assert.equal(rows[0]?.prompt, whole.usage_metadata?.input_tokens);
  assert.deepEqual(
    rows.map((row) => ({ ...row, prompt: null })),
    [well('chat', { output: 30 }), well('chat+stream', { output: 30 })],
  );
});

test('@langchain/openai passes on a 429 and a 502, Retry-After included', async (t) => {
  const desk = await openDesk(t);
  const chat = connect(desk);
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  for (const call of [chat.invoke('Hi'), chat.stream('Hi')]) {
    const error = (await errorOf(call)) as {
      status: number;
      message: string;
      headers: Headers;
      lc_error_code: string;
    };
    assert.match(error.message, /Rate limit reached/);
    assert.deepEqual([error.status, error.lc_error_code], [429, 'MODEL_RATE_LIMIT']);
    assert.equal(error.headers.get('retry-after'), String(RETRY_AFTER));
  }
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  const error = (await errorOf(chat.invoke('Hi'))) as { status: number; message: string };
  assert.match(error.message, /is currently loading/);
  assert.equal(error.status, 502);
  const rows = (await desk.rows(3)).map(factsOf);
  assert.deepEqual(
    rows.toSorted((left, right) => left.status - right.status || left.shape.localeCompare(right.shape)),
    [well('chat', REFUSED), well('chat+stream', REFUSED), well('chat', UNAVAILABLE)],
  );
});
