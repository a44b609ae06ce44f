import assert from 'node:assert/strict';
import { test } from 'node:test';
import Groq from 'groq-sdk';
import OpenAI4 from 'openai-4';
import Together from 'together-ai';
import { LLAMA, RETRY_AFTER } from '../support/desk.ts';
import { REFUSED, TOKEN, UNAVAILABLE, errorOf, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const token = TOKEN;

/** Clients that were made from OpenAI's: their chats look the same, but their code is their own. */
const clients: Readonly<Record<string, (desk: Desk) => Pick<OpenAI4, 'chat' | 'models' | 'baseURL'>>> = {
  'openai 4': (desk) => desk.line('`openai`', { OpenAI: OpenAI4, token }) as OpenAI4,
  'groq-sdk': (desk) => desk.line('`groq-sdk`', { Groq, token }) as OpenAI4,
  'together-ai': (desk) => desk.line('`together-ai`', { Together, token }) as OpenAI4,
};

const look = {
  type: 'function',
  function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } },
} as const;

for (const [name, connect] of Object.entries(clients)) {
  test(`${name} chats and streams`, async (t) => {
    const desk = await openDesk(t);
    const { chat } = connect(desk);
    const whole = await chat.completions.create({ model: LLAMA, messages, max_tokens: 30 });
    assert.equal(whole.choices[0]?.message.content?.length, 120);
    const asked = {
      model: LLAMA,
      messages,
      max_tokens: 40,
      stream: true,
      stream_options: { include_usage: true },
    } as const;
    let [text, used] = ['', 0];
    for await (const chunk of await chat.completions.create(asked)) {
      text += chunk.choices[0]?.delta.content ?? '';
      used = chunk.usage?.completion_tokens ?? used;
    }
    assert.deepEqual([text.length, used], [160, 40]);
    const rows = (await desk.rows(2)).map(factsOf);
    assert.equal(rows[0]?.prompt, whole.usage?.prompt_tokens);
    assert.deepEqual(
      rows.map((row) => ({ ...row, prompt: null })),
      [well('chat', { output: 30 }), well('chat+stream', { output: 40 })],
    );
  });

  test(`${name} calls a tool, streamed or not`, async (t) => {
    const desk = await openDesk(t);
    const { chat } = connect(desk);
    const asked = { model: LLAMA, messages, tools: [look], max_tokens: 20 };
    const whole = await chat.completions.create(asked);
    const called = whole.choices[0]?.message.tool_calls?.[0]?.function;
    assert.deepEqual([called?.name, JSON.parse(called?.arguments ?? '')], ['look', { at: 'text' }]);
    let [tool, args] = ['', ''];
    for await (const chunk of await chat.completions.create({ ...asked, stream: true })) {
      const piece = chunk.choices[0]?.delta.tool_calls?.[0]?.function;
      tool += piece?.name ?? '';
      args += piece?.arguments ?? '';
    }
    assert.deepEqual([tool, JSON.parse(args)], ['look', { at: 'text' }]);
    const shapes = (await desk.rows(2)).map(({ shape, outcome }) => [shape, outcome]);
    assert.deepEqual(shapes, [
      ['chat+tools', 'ok'],
      ['chat+stream+tools', 'ok'],
    ]);
  });

  test(`${name} reads a 429 and a 502 as its own errors, Retry-After included`, async (t) => {
    const desk = await openDesk(t);
    const { chat } = connect(desk);
    const ask = (stream: boolean) =>
      errorOf(chat.completions.create({ model: LLAMA, messages, stream }, { maxRetries: 0 }));
    await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
    for (const stream of [false, true]) {
      const { status, message, headers } = (await ask(stream)) as Failure;
      assert.match(message, /Rate limit reached/);
      assert.deepEqual([status, retryAfter(headers)], [429, String(RETRY_AFTER)]);
    }
    await desk.sim.clearFaults();
    await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
    const { status, message } = (await ask(false)) as Failure;
    assert.match(message, /is currently loading/);
    assert.equal(status, 502);
    assert.deepEqual((await desk.rows(3)).map(factsOf), [
      well('chat', REFUSED),
      well('chat+stream', REFUSED),
      well('chat', UNAVAILABLE),
    ]);
  });
}

interface Failure extends Error {
  readonly status: number;
  readonly headers: Headers | Readonly<Record<string, string>>;
}

/** openai 4 keeps an error's headers in a plain object. */
const retryAfter = (headers: Failure['headers']) =>
  headers instanceof Headers ? headers.get('retry-after') : headers['retry-after'];
