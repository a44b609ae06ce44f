import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InferenceClient } from '@huggingface/inference';
import fc from 'fast-check';
import OpenAI from 'openai';
import { eventually } from '../../support/waiting.ts';
import {
  FEATURES,
  EMBEDDINGS,
  WAIT,
  careOf,
  fullAt,
  itemsIn,
  vectorOf,
  engine,
  embed,
  features,
  sizes,
  read,
  sum,
  introduce,
} from './rig.ts';
import type { Embedded } from './rig.ts';
import { MODEL, ask, json, startRig, startUpstream } from '../rig.ts';
import type { Answer, Behaviour, Rig } from '../rig.ts';

const up = (left: number, right: number) => left - right;

describe('the answer to a call in a batch', () => {
  const text = fc.oneof(
    fc.string({ minLength: 1, maxLength: 30 }).filter((each) => each.trim() !== ''),
    fc
      .string({ minLength: 1, maxLength: 12, unit: 'binary' })
      .filter((each) => each.trim() !== '' && each.isWellFormed()),
    fc.constantFrom('"', '\\', '\\"],["', '{"a":[1]}', 'é€😀', 'null'),
  );
  const tokens = fc.array(fc.nat(50_000), { minLength: 1, maxLength: 6 });
  const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 4 });
  const call = fc.oneof(
    fc.record({
      path: fc.constant(EMBEDDINGS),
      input: fc.oneof(text, list(text), tokens, list(tokens)),
      more: fc.constantFrom({}, {}, { encoding_format: 'base64' }, { dimensions: 8 }),
    }),
    fc.record({
      path: fc.constantFrom(FEATURES, `/models/${MODEL}`),
      input: fc.oneof(text, list(text)),
      more: fc.constantFrom({}, {}, { normalize: true }, { parameters: { truncate: true } }),
    }),
  );
  type OneCall = Parameters<typeof bodyOf>[0] & { path: string };
  const bodyOf = ({ path, input, more }: { path: string; input: unknown; more: object }) =>
    JSON.stringify(path === EMBEDDINGS ? { model: MODEL, input, ...more } : { inputs: input, ...more });

  for (const form of ['vector', 'tokens', 'list'] as const) {
    test(`is the same as if it had been sent by itself, whatever the others ask for; a text is answered by: ${form}`, async () => {
      await using router = await startUpstream(engine(form));
      await using together = await startRig({ router: router.url, care: careOf(32) });
      await using apart = await startRig({ router: router.url, care: careOf(1) });
      const run = (rig: Rig, calls: readonly OneCall[]) =>
        Promise.all(calls.map((one) => ask(rig.url, { path: one.path, body: bodyOf(one) })));
      for (const more of [{}, { normalize: true }, { parameters: { truncate: true } }]) {
        await introduce(together, more);
        for (const inputs of ['x', ['x']]) await features(together, inputs, more, `/models/${MODEL}`);
      }
      let [calls, requests] = [0, 0];
      const law = fc.asyncProperty(fc.array(call, { minLength: 2, maxLength: 14 }), async (all) => {
        const before = router.received.length;
        const got = await run(together, all);
        const middle = router.received.length;
        const alone = await run(apart, all);
        calls += all.length;
        requests += middle - before;
        got.forEach((answer, n) => {
          const expected = alone[n] as Answer;
          assert.deepEqual([answer.status, answer.isComplete], [expected.status, true]);
          if (all[n]?.path !== EMBEDDINGS) {
            assert.equal(answer.body.replaceAll(' ', ''), expected.body.replaceAll(' ', ''));
            return;
          }
          const { usage: _, ...mine } = read(answer);
          const { usage: __, ...theirs } = read(expected);
          const inOrder = ({ data, ...rest }: Omit<Embedded, 'usage'>) => ({
            ...rest,
            data: data.toSorted((left, right) => left.index - right.index),
          });
          assert.deepEqual(inOrder(mine), inOrder(theirs));
        });
        const used = (answers: readonly Answer[]) =>
          answers.flatMap((answer, n) => (all[n]?.path === EMBEDDINGS ? read(answer).usage : []));
        for (const key of ['prompt_tokens', 'total_tokens'] as const) {
          const parts = used(got).map((usage) => usage[key]);
          assert.ok(parts.every((part) => Number.isSafeInteger(part) && part >= 0));
          assert.equal(sum(parts), sum(used(alone).map((usage) => usage[key])));
        }
      });
      // All calls of this example can share a batch: those that are drawn may have none that can.
      const alike = Array.from({ length: 14 }, () => ({ path: EMBEDDINGS, input: 'a', more: {} }) as const);
      await fc.assert(law, { numRuns: 12, examples: [[alike]] });
      assert.ok(requests < calls, `${requests} requests for ${calls} calls`);
    });
  }

  test('has its vectors digit for digit and its share of the usage, and each call has its own row', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: careOf(32) });
    const [short, long] = await Promise.all([embed(rig, 'a'), embed(rig, ['a'.repeat(100), 'b'.repeat(92)])]);
    assert.equal(router.received.length, 1);
    assert.ok(short.body.includes(vectorOf(`"a" ${JSON.stringify({ model: MODEL, input: 0 })}`)), short.body);
    assert.deepEqual([read(short).data.length, read(long).data.map(({ index }) => index)], [1, [0, 1]]);
    assert.equal(short.headers['content-length'], String(short.body.length));
    assert.deepEqual([short.headers['etag'], short.headers['x-request-id']], [undefined, 'r-1']);
    const { usage } = read(long);
    assert.deepEqual(usage, { prompt_tokens: 189, total_tokens: 189, details: { cached: 3 } });
    const rows = await rig.recorded(2);
    assert.deepEqual(rows.map(({ promptTokens }) => promptTokens ?? 0).toSorted(up), [10, 189]);
    for (const row of rows) {
      assert.deepEqual(
        [row.outcome, row.finalOutcome, row.attempts.length, row.servedBy],
        ['ok', 'ok', 1, 'serverless'],
      );
    }
    assert.ok(Math.max(...rows.map(({ durationUs }) => durationUs)) >= WAIT * 1_000);
    assert.equal([...rig.gateway.lanes()][0]?.counts.sent, 1);
    assert.equal([...rig.gateway.lanes()][0]?.inFlight, 0);
    assert.equal(rig.arrivals.length, 2);
  });

  test('can be read by the official clients', async () => {
    const answer: Behaviour = (res, received) => {
      const items = itemsIn(received);
      if (received.path !== EMBEDDINGS) return engine()(res, received, null as never);
      const data = items.map((item, index) => {
        const embedding = Buffer.from(Float32Array.from([String(item).length, 0.5]).buffer).toString('base64');
        return { object: 'embedding', index, embedding };
      });
      json(res, 200, { object: 'list', data, model: MODEL, usage: { prompt_tokens: 9, total_tokens: 9 } });
    };
    await using router = await startUpstream(answer);
    await using rig = await startRig({ router: router.url, care: fullAt(9) });
    const openai = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: 'hf_client' });
    const texts = Array.from({ length: 9 }, (_, n) => 'x'.repeat(n + 1));
    const embedded = await Promise.all(texts.map((input) => openai.embeddings.create({ model: MODEL, input })));
    assert.deepEqual(
      embedded.map(({ data }) => data[0]?.embedding),
      texts.map(({ length }) => [length, 0.5]),
    );
    assert.deepEqual(sizes(router), [9]);
    assert.match(router.received[0]?.body ?? '', /"encoding_format":"base64"/);
    const hub = new InferenceClient('hf_client', { endpointUrl: `${rig.url}/models/${MODEL}` });
    await hub.featureExtraction({ inputs: 'x' });
    const from = router.received.length;
    const vectors = await Promise.all(texts.map((inputs) => hub.featureExtraction({ inputs })));
    assert.deepEqual(
      vectors,
      texts.map((one) => JSON.parse(vectorOf(one)) as unknown),
    );
    assert.deepEqual(sizes(router, from), [9]);
  });
});

describe('calls that are batched', () => {
  test('are none unless the policy says so', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: careOf(1) });
    const bodies = ['{"model":"acme/tiny", "input":"a"}', '{"model":"acme/tiny", "input":"b"}'];
    await Promise.all(bodies.map((body) => ask(rig.url, { path: EMBEDDINGS, body })));
    assert.deepEqual(router.received.map(({ body }) => body).toSorted(), bodies);
  });

  test('do not differ in account, bill, settings, form or path, and have no unknown field', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: careOf(32) });
    const odd = (body: string, headers: Record<string, string> = {}) =>
      ask(rig.url, { path: EMBEDDINGS, body, headers });
    await Promise.all([
      embed(rig, 'a'),
      embed(rig, 'a', {}, { authorization: 'Bearer hf_other' }),
      embed(rig, 'a', {}, { 'x-hf-bill-to': 'acme' }),
      embed(rig, 'a', {}, { 'x-unknown': 'yes' }),
      embed(rig, 'a', { dimensions: 3 }),
      embed(rig, 'a', { encoding_format: 'base64' }),
      embed(rig, [1, 2]),
      ask(rig.url, { path: `${EMBEDDINGS}?a=1`, body: JSON.stringify({ model: MODEL, input: 'a' }) }),
      ...[{ stream: true }, { strange: 1 }, { user: ['a'] }].flatMap((more) => [
        embed(rig, 'b', more),
        embed(rig, 'c', more),
      ]),
      ...['', [], ['a', ''], [''], { text: 'a' }, ['a', [1]]].flatMap((input) => [
        embed(rig, input),
        embed(rig, input),
      ]),
      odd('{"model":"acme/tiny","input":"a","input":"b"}'),
      odd('{"model":"acme/tiny","input":"c","input":"d"}'),
      odd('{"model":"acme/tiny","input":"a"}', { 'content-type': 'text/plain' }),
    ]);
    assert.equal(router.received.length, rig.calls.length);
  });

  test('may differ in the agent', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: fullAt(3) });
    const headers = ['a', 'b', 'c'].map((agent) => ({ 'x-agent-id': agent, 'user-agent': agent, traceparent: agent }));
    await Promise.all(headers.map((each) => embed(rig, each['x-agent-id'], {}, each)));
    assert.deepEqual(sizes(router), [3]);
  });

  test('hold no more texts than the policy allows, and at most a megabyte', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: careOf(8) });
    await Promise.all(Array.from({ length: 20 }, (_, n) => embed(rig, `text ${n}`)));
    assert.deepEqual(sizes(router), [8, 8, 4]);
    await Promise.all([
      embed(rig, Array<string>(9).fill('a')),
      embed(rig, Array<string>(7).fill('b')),
      embed(rig, ['c', 'd']),
    ]);
    assert.deepEqual(sizes(router, 3).toSorted(up), [2, 7, 9]);
    const from = router.received.length;
    await Promise.all(['a', 'b', 'c'].map((each) => embed(rig, each.repeat(400_000))));
    assert.deepEqual(sizes(router, from).toSorted(up), [1, 2]);
  });

  test('are of tasks that answer with vectors, after it is known how the upstream answers them', async () => {
    const labels: Behaviour = (res, received) =>
      json(
        res,
        200,
        itemsIn(received).map(() => [{ label: 'GOOD', score: 1 }]),
      );
    await using router = await startUpstream(labels);
    await using rig = await startRig({ router: router.url, care: careOf(32) });
    const path = `/models/${MODEL}`;
    for (let round = 0; round < 2; round++) {
      await Promise.all(['a', 'b', ['c', 'd']].map((inputs) => features(rig, inputs, {}, path)));
    }
    assert.deepEqual(sizes(router).toSorted(up), [1, 1, 1, 1, 2, 2]);
  });

  test('include waiting calls: they join the first that gets a permit, and need none themselves', async () => {
    let isFull = true;
    await using router = await startUpstream((res, received, req) => {
      if (!isFull) return engine()(res, received, req);
      isFull = false;
      json(res, 429, {}, { 'retry-after': '20' });
    });
    await using rig = await startRig({
      router: router.url,
      care: careOf(32, { retries: { most: 0, base: 1, cap: 1, share: 0 } }),
    });
    assert.equal((await embed(rig, 'first')).status, 429);
    const waiting = Promise.all(Array.from({ length: 12 }, (_, n) => embed(rig, `text ${n}`)));
    const lane = () => [...rig.gateway.lanes()][0];
    await eventually('they wait', () => lane()?.waiting === 12);
    rig.clock.advance(20_100);
    assert.ok((await waiting).every(({ status }) => status === 200));
    assert.deepEqual(sizes(router), [1, 12]);
    assert.equal(lane()?.counts.sent, 2);
    assert.ok((await rig.recorded(13)).slice(1).every(({ waitedUs }) => waitedUs > 20_000_000));
  });
});
