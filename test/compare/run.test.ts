import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { runComparison } from '../../src/compare/run.ts';
import type { RunOptions } from '../../src/compare/run.ts';
import type { Side } from '../../src/compare/side.ts';
import type { CompareRequest } from '../../src/core/compare/built-in.ts';

type Answer = (body: { readonly model: string }, at: number) => readonly [status: number, body: string, type?: string];

async function serve(name: 'A' | 'B', answer: Answer) {
  const models: string[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    request.on('end', () => {
      const body = JSON.parse(text) as { model: string };
      models.push(body.model);
      const [status, said, type = 'application/json'] = answer(body, models.length - 1);
      response.writeHead(status, { 'content-type': type, 'retry-after': '0' }).end(said);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const side: Side = { name, url, model: `model-${name}`, key: null, engine: null, prices: null };
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { side, models, [Symbol.asyncDispose]: close };
}

const usage = { prompt_tokens: 7, completion_tokens: 2 };
const whole = (content: string) =>
  JSON.stringify({ choices: [{ finish_reason: 'stop', message: { content } }], usage });
const stream = (content: string) =>
  [
    { choices: [{ index: 0, delta: { content } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .join('') + 'data: [DONE]\n\n';

const REQUEST: CompareRequest = {
  kind: 'own',
  path: '/chat/completions',
  body: { messages: [{ role: 'user', content: 'a' }], temperature: 0, model: 'of the file' },
};

function options(a: Side, b: Side, more: Partial<RunOptions> = {}): RunOptions {
  const requests = Array.from({ length: 10 }, () => REQUEST);
  const stop = new AbortController().signal;
  return { a, b, requests, baseline: 0.5, concurrency: 3, timeoutMs: 60_000, stop, ...more };
}

describe('a run', () => {
  it('sends each request to both under their own names, the share of them once more to A, and counts tokens', async () => {
    await using a = await serve('A', () => [200, whole('hello')]);
    await using b = await serve('B', () => [200, stream('hello'), 'text/event-stream']);
    const done: number[] = [];
    const { pairs, consumed } = await runComparison(
      options(a.side, b.side, { onProgress: (progress) => done.push(progress.done) }),
    );
    assert.deepEqual([a.models.length, b.models.length, pairs.length], [15, 10, 10]);
    assert.deepEqual(new Set([...a.models, ...b.models]), new Set(['model-A', 'model-B']));
    assert.deepEqual(consumed.a, { calls: 15, promptTokens: 105, outputTokens: 30 });
    assert.deepEqual(consumed.b, { calls: 10, promptTokens: 70, outputTokens: 20 });
    assert.deepEqual(done, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const repeated = pairs.filter(({ again }) => again !== null);
    assert.equal(repeated.length, 5);
    for (const { a: ofA, b: ofB, agreement } of pairs) {
      assert.deepEqual(ofA, ofB);
      assert.equal(agreement?.text, 1);
    }
    for (const { baseline } of repeated) assert.equal(baseline?.text, 1);
  });

  it('reads letters beyond ASCII as they are meant, in whole answers and streams', async () => {
    for (const text of ['é', 'naïve café', '日本語', '😀 über']) {
      await using a = await serve('A', () => [200, whole(text)]);
      await using b = await serve('B', () => [200, stream(text), 'text/event-stream']);
      const { pairs } = await runComparison(options(a.side, b.side));
      for (const { a: ofA, b: ofB, agreement } of pairs) {
        assert.equal(agreement?.text, 1, text);
        for (const ended of [ofA, ofB]) assert.equal(ended.kind === 'answered' && ended.form?.isGarbled, false, text);
      }
    }
  });

  const broken: readonly (readonly [title: string, answer: readonly [number, string, string?]])[] = [
    ['an error with a success status', [200, '{"error":"no"}']],
    ['no JSON', [200, '<html>']],
    ['nothing', [200, '']],
    ['a stream with an error', [200, 'data: {"error":{"message":"no"}}\n\n', 'text/event-stream']],
    ['a stream without events', [200, 'data: [DONE]\n\n', 'text/event-stream']],
    ['a refusal', [400, '{}']],
  ];
  for (const [title, answer] of broken) {
    it(`counts as not answered: ${title}`, async () => {
      await using a = await serve('A', () => [200, whole('hello')]);
      await using b = await serve('B', () => answer);
      const { pairs } = await runComparison(options(a.side, b.side));
      assert.deepEqual(new Set(pairs.map(({ b: ended }) => ended.kind)), new Set(['failed']));
      assert.deepEqual(new Set(pairs.map(({ agreement }) => agreement)), new Set([null]));
    });
  }

  it('ends soon if a side takes no call for its rate', async () => {
    await using a = await serve('A', () => [200, whole('hello')]);
    await using b = await serve('B', () => [429, '{}']);
    const requests = Array.from({ length: 200 }, () => REQUEST);
    const { pairs } = await runComparison(options(a.side, b.side, { requests }));
    assert.ok(pairs.length >= 5 && pairs.length <= 8, String(pairs.length));
    assert.ok(pairs.every(({ b: ended }) => ended.kind === 'left'));
  });

  it('ends with what is known if it is stopped', async () => {
    const stop = new AbortController();
    await using a = await serve('A', () => [200, whole('hello')]);
    await using b = await serve('B', (_, at) => {
      if (at === 5) stop.abort();
      return [200, whole('hello')];
    });
    const requests = Array.from({ length: 200 }, () => REQUEST);
    const { pairs } = await runComparison(options(a.side, b.side, { requests, stop: stop.signal }));
    assert.ok(pairs.length < 20);
    assert.ok(pairs.some(({ b: ended }) => ended.kind === 'answered'));
  });
});
