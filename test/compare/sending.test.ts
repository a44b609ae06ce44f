import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { Lane } from '../../src/compare/lane.ts';
import { chooseModel, detailsOf, listModels } from '../../src/compare/models.ts';
import { sharedPaths } from '../../src/compare/preflight.ts';
import { send } from '../../src/compare/send.ts';
import type { Side } from '../../src/compare/side.ts';
import { AppError } from '../../src/core/errors.ts';

const KEY = 'sk-planted';
const never = new AbortController().signal;

/** A server that answers each call by its number. */
async function serve(answer: (at: number, request: IncomingMessage, response: ServerResponse) => void) {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    request.resume();
    seen.push(request);
    answer(seen.length - 1, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const side: Side = {
    name: 'B',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    model: 'm',
    key: KEY,
    engine: null,
    prices: null,
  };
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { side, seen, [Symbol.asyncDispose]: close };
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const sending = (stop = never) => ({ lane: new Lane(2), timeoutMs: 60_000, stop });

describe('a call to a side', () => {
  it('waits as long as a side asks that limits its rate, and is sent again', async () => {
    await using server = await serve((at, _, response) =>
      at < 3 ? json(response, at === 1 ? 503 : 429, {}, { 'retry-after': '0' }) : json(response, 200, { a: 1 }),
    );
    const got = await send(server.side, '/x', {}, sending());
    assert.deepEqual(got, { kind: 'answered', text: '{"a":1}', isStream: false });
    assert.equal(server.seen.length, 4);
  });

  it('says nothing about a side that goes on limiting its rate', async () => {
    await using server = await serve((_, __, response) => json(response, 429, {}, { 'retry-after': '0' }));
    assert.deepEqual(await send(server.side, '/x', {}, sending()), { kind: 'left' });
  });

  it('is sent once more if a side fails, and not if the call is at fault', async () => {
    const statuses: readonly (readonly [status: number, calls: number])[] = [
      [500, 2],
      [400, 1],
      [404, 1],
      [307, 1],
    ];
    for (const [status, calls] of statuses) {
      await using server = await serve((_, __, response) => json(response, status, {}, { location: '/elsewhere' }));
      const got = await send(server.side, '/x', {}, sending());
      assert.ok(got.kind === 'failed' && got.status === status, JSON.stringify(got));
      assert.equal(server.seen.length, calls, String(status));
    }
  });

  it('sends the key to its side, follows no redirect with it, and takes it out of what the side says', async () => {
    await using server = await serve((_, { headers }, response) =>
      json(response, 400, { error: headers.authorization }),
    );
    const got = await send(server.side, '/x', {}, sending());
    assert.equal(server.seen[0]?.headers.authorization, `Bearer ${KEY}`);
    assert.ok(got.kind === 'failed' && got.text.includes('Bearer ***') && !got.text.includes(KEY));
    await send({ ...server.side, key: null }, '/x', {}, sending());
    assert.equal(server.seen[1]?.headers.authorization, undefined);
  });

  it('has no answer from nobody, from a side that breaks off, and once it is stopped', async () => {
    await using server = await serve((_, __, response) => response.writeHead(200).write('{', () => response.destroy()));
    assert.equal((await send(server.side, '/x', {}, sending())).kind, 'failed');
    const gone = await serve(() => undefined);
    await gone[Symbol.asyncDispose]();
    const nobody = await send(gone.side, '/x', {}, sending());
    assert.ok(
      nobody.kind === 'failed' && nobody.status === 0 && nobody.text === 'ECONNREFUSED',
      JSON.stringify(nobody),
    );
    assert.deepEqual(await send(server.side, '/x', {}, sending(AbortSignal.abort())), { kind: 'left' });
  });
});

describe('a lane', () => {
  it('lets so many calls through at once, and fewer after a refusal, and all of them in the end', async () => {
    const lane = new Lane(4);
    let [inFlight, most] = [0, 0];
    const call = () =>
      lane.run(async () => {
        most = Math.max(most, ++inFlight);
        await new Promise((resolve) => setImmediate(resolve));
        inFlight--;
      }, never);
    await Promise.all(Array.from({ length: 40 }, call));
    assert.equal(most, 4);
    lane.slowDown(0, 1);
    most = 0;
    await Promise.all(Array.from({ length: 40 }, call));
    assert.equal(most, 2);
    for (let answered = 0; answered < 40; answered++) lane.answered();
    most = 0;
    await Promise.all(Array.from({ length: 40 }, call));
    assert.equal(most, 4);
  });

  it('frees who waits if it is stopped', async () => {
    const stop = new AbortController();
    const lane = new Lane(1);
    lane.slowDown(60_000, 1);
    const calls = Array.from({ length: 5 }, () => lane.run(() => Promise.resolve(), stop.signal));
    stop.abort();
    const ends = await Promise.allSettled(calls);
    assert.deepEqual(
      ends.map(({ status }) => status),
      Array.from({ length: 5 }, () => 'rejected'),
    );
  });
});

describe('what is asked before a comparison', () => {
  const models = (ids: readonly string[]) => ids.map((id) => ({ id }));

  it('is which model to call', () => {
    const a = { name: 'A', url: 'http://a/v1', key: null } as const;
    assert.equal(chooseModel(a, models(['x']), undefined), 'x');
    assert.equal(chooseModel(a, models(['x', 'y']), 'z'), 'z');
    assert.equal(chooseModel(a, null, 'z'), 'z');
    for (const list of [null, [], models(['x', 'y'])]) {
      assert.throws(
        () => chooseModel(a, list, undefined),
        (error) => error instanceof AppError && error.code === 'invalid' && error.hint?.includes('--model') === true,
      );
    }
  });

  it('is the engine and the prices, if the list has them', () => {
    const pricing = (input: number) => ({ pricing: { input, output: 2 * input } });
    assert.deepEqual(detailsOf([{ id: 'm', owned_by: 'vllm' }], 'm'), { engine: 'vLLM', prices: null });
    assert.deepEqual(detailsOf([{ id: 'm', providers: [pricing(0.3), {}, pricing(0.1)] }], 'm'), {
      engine: null,
      prices: { low: { input: 0.1, output: 0.2 }, high: { input: 0.3, output: 0.6 } },
    });
    assert.deepEqual(detailsOf(null, 'm'), { engine: null, prices: null });
    assert.deepEqual(detailsOf([{ id: 'm', owned_by: 'constructor' }], 'm'), { engine: null, prices: null });
  });

  const refusals: readonly (readonly [title: string, status: number, body: unknown, code: string, said: RegExp])[] = [
    ['a key that is refused', 401, {}, 'unauthorized', /^B \(http.*\) answers 401$/],
    [
      'a model that is not known',
      404,
      { error: { message: 'no model m' } },
      'not_found',
      /B answers 404 to m at .*: no model m/,
    ],
    ['a side that fails', 500, {}, 'unavailable', /^B answers 500/],
  ];
  for (const [title, status, body, code, said] of refusals) {
    it(`ends it: ${title}`, async () => {
      await using server = await serve((_, __, response) => json(response, status, body));
      const sides = [{ ...server.side, name: 'A' }, server.side] as const;
      const trial = sharedPaths([sides[0], sides[1]], ['/chat/completions'], { timeoutMs: 60_000, stop: never });
      await assert.rejects(trial, (error) => {
        assert.ok(error instanceof AppError && error.code === code, String(error));
        assert.match(error.message.replaceAll('A (', 'B (').replaceAll('A answers', 'B answers'), said);
        return true;
      });
    });
  }

  it('leaves out the path that only one side has, and says so', async () => {
    await using good = await serve((_, __, response) => json(response, 200, {}));
    await using chats = await serve((_, { url }, response) =>
      json(response, url?.endsWith('embeddings') ? 404 : 200, {}),
    );
    const { paths, notes } = await sharedPaths([good.side, chats.side], ['/chat/completions', '/embeddings'], {
      timeoutMs: 60_000,
      stop: never,
    });
    assert.deepEqual(paths, ['/chat/completions']);
    assert.match(notes.join(), /^left out: B answers 404 to m at \/embeddings$/);
  });

  it('is refused with the reason if nobody is there, or the list needs a key', async () => {
    await using server = await serve((_, __, response) => json(response, 403, {}));
    const code = async (side: Side) =>
      listModels(side, never).then(
        () => null,
        (error: unknown) => (error instanceof AppError ? [error.code, error.hint] : null),
      );
    assert.equal((await code({ ...server.side, url: 'http://127.0.0.1:1/v1' }))?.[0], 'unavailable');
    assert.deepEqual(await code({ ...server.side, key: null }), [
      'unauthorized',
      'name the environment variable that holds its key: --key-env-b NAME',
    ]);
  });
});
