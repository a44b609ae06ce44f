import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import { eventually } from '../../support/waiting.ts';
import {
  EMBEDDINGS,
  careOf,
  fullAt,
  itemsIn,
  vectorOf,
  tokensOf,
  engine,
  embed,
  features,
  sizes,
  read,
} from './rig.ts';
import type { Embedded } from './rig.ts';
import { MODEL, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig } from '../rig.ts';

describe('a batch that fails', () => {
  test('the mistake of one call is answered to that call only, and for a while calls are sent separately', async () => {
    await using router = await startUpstream((res, received, req) => {
      if (itemsIn(received).includes('bad')) json(res, 400, { error: 'bad text' });
      else engine()(res, received, req);
    });
    await using rig = await startRig({ router: router.url, care: careOf(32) });
    const texts = ['a', 'bad', 'c', 'd'];
    const answers = await Promise.all(texts.map((input) => embed(rig, input)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 400, 200, 200],
    );
    assert.deepEqual(JSON.parse(answers[1]?.body ?? ''), { error: 'bad text' });
    assert.deepEqual(sizes(router), [4, 1, 1, 1, 1]);
    const rows = await rig.recorded(4);
    assert.deepEqual(rows.map(({ outcome }) => outcome).toSorted(), ['client_error', 'ok', 'ok', 'ok']);
    assert.ok(rows.every(({ attempts }) => attempts.length === 1));
    // The calls that joined the batch count for the lane when they are sent by themselves.
    const [lane] = rig.gateway.lanes();
    assert.deepEqual([lane?.counts.sent, lane?.inFlight], [4, 0]);
    await Promise.all(['e', 'f'].map((input) => embed(rig, input)));
    assert.deepEqual(sizes(router, 5), [1, 1]);
    rig.clock.advance(31_000);
    await Promise.all(['g', 'h'].map((input) => embed(rig, input)));
    assert.deepEqual(sizes(router, 7), [2]);
  });

  const useless: Readonly<Record<string, Behaviour>> = {
    'a 413': (res) => json(res, 413, { error: 'batch size 3 > maximum allowed batch size 1' }),
    'a 500': (res) => json(res, 500, { error: 'out of memory' }),
    'a 403': (res) => json(res, 403, { error: 'not this text' }),
    'too few answers': (res) => json(res, 200, { object: 'list', data: [{ index: 0, embedding: [1] }] }),
    'answers without their numbers': (res) => json(res, 200, { data: [{ e: 1 }, { e: 2 }, { e: 3 }] }),
    'answers with the same number': (res) => json(res, 200, { data: [0, 1, 1].map((index) => ({ index })) }),
    'something else': (res) => json(res, 200, ['what?']),
    'no JSON': (res) => res.writeHead(200, { 'content-length': 5 }).end('{"dat'),
    'an answer that breaks off': (res) => {
      res.writeHead(200, { 'content-length': 500 });
      res.write('{"data":[', () => res.destroy());
    },
    'a compressed answer': (res) => res.writeHead(200, { 'content-encoding': 'gzip' }).end('??'),
    'another place': (res) => res.writeHead(307, { location: 'https://elsewhere.example/' }).end(),
  };
  for (const [name, behave] of Object.entries(useless)) {
    test(`${name} for all of them: each is sent by itself`, async () => {
      await using router = await startUpstream((res, received, req) => {
        if (itemsIn(received).length > 1) behave(res, received, req);
        else engine()(res, received, req);
      });
      await using rig = await startRig({ router: router.url, care: fullAt(3) });
      const answers = await Promise.all(['a', 'b', 'c'].map((input) => embed(rig, input)));
      answers.forEach((answer, n) => {
        assert.equal(answer.status, 200);
        assert.equal(read(answer).usage.total_tokens, tokensOf('abc'[n]));
      });
      assert.deepEqual(sizes(router), [3, 1, 1, 1]);
      const [lane] = rig.gateway.lanes();
      assert.deepEqual([lane?.counts.sent, lane?.inFlight], [3, 0]);
    });
  }

  test('feature extraction whose answer nests in another way than before: each is sent by itself', async () => {
    await using router = await startUpstream((res, received) => {
      const items = itemsIn(received);
      json(res, 200, items.length === 1 ? [1, 2] : items.map(() => [[[1, 2]]]));
    });
    await using rig = await startRig({ router: router.url, care: fullAt(2) });
    await features(rig, 'x');
    const answers = await Promise.all(['a', 'b'].map((inputs) => features(rig, inputs)));
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['[1,2]', '[1,2]'],
    );
    assert.deepEqual(sizes(router), [1, 2, 1, 1]);
  });

  for (const [name, fail] of Object.entries({
    'a refusal': (res) => json(res, 429, {}),
    'an outage': (res) => json(res, 503, {}),
    'a connection that breaks': (res) => res.destroy(),
  } satisfies Record<string, Behaviour>)) {
    test(`${name} counts once for the lane, and each call is retried`, async () => {
      let isFirst = true;
      await using router = await startUpstream((res, received, req) => {
        if (!isFirst) return engine()(res, received, req);
        isFirst = false;
        fail(res);
      });
      await using rig = await startRig({ router: router.url, care: fullAt(4) });
      const answering = Promise.all(['a', 'b', 'c', 'd'].map((input) => embed(rig, input)));
      await eventually('it has failed', () => !isFirst);
      const moving = setInterval(() => rig.clock.advance(500), 20);
      const answers = await answering;
      clearInterval(moving);
      assert.ok(answers.every(({ status, headers }) => status === 200 && headers['x-upshift-attempts'] === '2'));
      const rows = await rig.recorded(4);
      assert.ok(rows.every(({ outcome, finalOutcome }) => outcome !== 'ok' && finalOutcome === 'ok'));
      const [lane] = rig.gateway.lanes();
      assert.equal(lane?.counts.refusedByUpstream, name === 'a refusal' ? 1 : 0);
      assert.equal(lane?.inFlight, 0);
    });
  }

  test('an error that concerns the account is answered to all calls', async () => {
    await using router = await startUpstream((res) => json(res, 402, { error: 'no credits' }));
    await using rig = await startRig({ router: router.url, care: fullAt(2) });
    const answers = await Promise.all(['a', 'b'].map((input) => embed(rig, input)));
    for (const { status, body } of answers) assert.deepEqual([status, body], [402, '{"error":"no credits"}']);
    assert.equal(router.received.length, 1);
  });
});

describe('a client that leaves', () => {
  const start = (rig: Rig, input: unknown) => {
    const req = request(`${rig.url}${EMBEDDINGS}`, { method: 'POST' });
    req.on('error', () => undefined);
    req.end(JSON.stringify({ model: MODEL, input }));
    return req;
  };
  // Without a content type, as `start` sends it.
  const stay = (rig: Rig, input: unknown) =>
    new Promise<Embedded>((resolve, reject) => {
      const req = start(rig, input);
      req.on('error', reject);
      req.on('response', (res) => {
        res.setEncoding('utf8');
        let body = '';
        res.on('data', (chunk: string) => (body += chunk));
        res.on('end', () => resolve(JSON.parse(body) as Embedded));
      });
    });

  test('before the batch is sent is not in it', async () => {
    await using router = await startUpstream(engine());
    await using rig = await startRig({ router: router.url, care: fullAt(32) });
    const leaving = start(rig, 'leaves');
    await eventually('it is there', () => rig.arrivals.length === 1);
    const staying = ['a', 'b'].map((input) => stay(rig, input));
    await eventually('they are there', () => rig.arrivals.length === 3);
    leaving.destroy();
    await rig.recorded(1);
    await rig.clock.quiet();
    rig.clock.advance(30_000);
    const answers = await Promise.all(staying);
    assert.deepEqual(
      answers.map(({ data }) => data.length),
      [1, 1],
    );
    assert.deepEqual(router.received.map(itemsIn), [['a', 'b']]);
    const rows = await rig.recorded(3);
    assert.deepEqual(rows.map(({ finalOutcome }) => finalOutcome).toSorted(), ['client_left', 'ok', 'ok']);
    assert.equal([...rig.gateway.lanes()][0]?.inFlight, 0);
  });

  test('while the batch is under way does not affect the others; if all leave, the request is given up', async () => {
    let release = () => {};
    await using router = await startUpstream((res, received, req) => {
      release = () => engine()(res, received, req);
    });
    await using rig = await startRig({ router: router.url, care: fullAt(2) });
    const leaving = start(rig, 'leaves');
    await eventually('it is there', () => rig.arrivals.length === 1);
    const staying = stay(rig, 'stays');
    await eventually('they are under way', () => router.received.length === 1);
    leaving.destroy();
    await rig.recorded(1);
    release();
    const { data } = await staying;
    assert.deepEqual(
      JSON.stringify(data[0]?.embedding),
      JSON.stringify(JSON.parse(vectorOf(`"stays" ${JSON.stringify({ model: MODEL, input: 0 })}`))),
    );
    const all = ['a', 'b'].map((input) => start(rig, input));
    await eventually('they are under way', () => router.received.length === 2);
    for (const each of all) each.destroy();
    await rig.recorded(4);
    await eventually('the request is given up', () => router.sockets.size === 0);
    assert.equal([...rig.gateway.lanes()][0]?.inFlight, 0);
  });

  test('is cut with the others if the gateway closes', async () => {
    await using router = await startUpstream(() => undefined);
    await using rig = await startRig({ router: router.url, care: careOf(32) });
    const all = ['a', 'b'].map((input) => start(rig, input));
    await eventually('they are there', () => rig.arrivals.length === 2);
    const { cut } = await rig.gateway.drain(0);
    assert.deepEqual([cut, rig.calls.map(({ outcome }) => outcome)], [2, ['cut', 'cut']]);
    for (const each of all) each.destroy();
  });
});
