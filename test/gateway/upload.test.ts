import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { GATEWAY_DEFAULTS } from '../../src/core/policy/gateway.ts';
import { ask, chat, json, startRig, startUpstream } from './rig.ts';

const MAX_BODY = 100_000;
const settings = () => ({ ...GATEWAY_DEFAULTS, maxBody: MAX_BODY });
/** Far more than sockets buffer. */
const HUGE = 64 * 1024 * 1024;

/** An upstream that reads a body only when told to. */
async function startSlowUpstream() {
  const requests: IncomingMessage[] = [];
  const answers: ServerResponse[] = [];
  const server = createServer((req, res) => {
    requests.push(req);
    answers.push(res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The first request that comes, unread. */
    first: async () => requests[0] ?? ((await once(server, 'request')) as [IncomingMessage])[0],
    answer: (status: number) => void answers[0]?.writeHead(status).end(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('a body beyond the limit streams to serverless as it is, and counts for the model of its path alone', async () => {
  await using router = await startUpstream((res) => json(res, 200, { ok: true }));
  await using endpoint = await startUpstream((res) => json(res, 500, {}));
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, settings });
  const body = chat({ pad: 'x'.repeat(3 * MAX_BODY) });
  const declared = { 'content-length': String(body.length) };
  for (const [path, model] of [
    ['/v1/chat/completions', null],
    ['/models/acme/sound', 'acme/sound'],
  ] as const) {
    for (const headers of [declared, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask(rig.url, { path, body, headers });
      assert.equal(answer.body, '{"ok":true}');
      const received = router.received.at(-1);
      assert.equal(received?.body, body);
      assert.equal(received?.headers['content-length'], headers === declared ? String(body.length) : undefined);
      const call = rig.calls.at(-1);
      assert.equal(call?.model, model);
      assert.equal(call?.isEligible, false);
      assert.equal(call?.requestBytes, body.length);
    }
  }
  assert.equal(endpoint.received.length, 0);
});

test('a body at the limit is read, and one beyond it is refused if the policy says so', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  await using rig = await startRig({ router: router.url, settings: () => ({ ...settings(), oversized: 'reject' }) });
  const bare = chat({ pad: '' }).length;
  for (const headers of [undefined, { 'transfer-encoding': 'chunked' }] as const) {
    const sized = (length: number) => ({ body: chat({ pad: 'x'.repeat(length - bare) }), ...(headers && { headers }) });
    assert.equal((await ask(rig.url, sized(MAX_BODY))).status, 200);
    assert.equal(rig.calls.at(-1)?.model, 'acme/tiny');
    assert.equal((await ask(rig.url, sized(MAX_BODY + 1))).status, 413);
  }
  assert.equal(router.received.length, 2);
});

test('such a call is never tried again, and others still are', async () => {
  await using router = await startUpstream((res) => void res.socket?.destroy());
  const care = { ...POLICY_DEFAULTS.care, retries: { most: 2, base: 1, cap: 1, share: 1 } };
  await using rig = await startRig({ router: router.url, settings, care });
  const path = '/models/acme/tiny';
  for (const [length, attempts] of [
    [2 * MAX_BODY, 1],
    [1, 3],
  ] as const) {
    assert.equal((await ask(rig.url, { path, body: 'x'.repeat(length) })).status, 502);
    assert.equal(rig.calls.at(-1)?.attempts.length, attempts);
  }
});

test('two bodies that were not kept are not taken for the same one', async () => {
  await using router = await startUpstream((res) => json(res, 429, {}));
  await using rig = await startRig({ router: router.url, settings });
  for (const letter of ['x', 'y']) await ask(rig.url, { body: letter.repeat(2 * MAX_BODY) });
  assert.deepEqual(
    rig.calls.map(({ repeatOfUs }) => repeatOfUs),
    [null, null],
  );
});

test('the client is read no faster than the upstream reads, and a client that leaves ends the attempt', async () => {
  await using router = await startSlowUpstream();
  await using rig = await startRig({ router: router.url, settings });
  const client = request(`${rig.url}/models/acme/sound`, { method: 'POST', headers: { 'content-length': HUGE } });
  client.on('error', () => undefined);
  const piece = Buffer.alloc(1024 * 1024);
  let sent = 0;
  for (let at = 0; at < HUGE; at += piece.length) client.write(piece, () => (sent += piece.length));
  const upstream = await router.first();
  // What fits into the buffers on the way is sent. Then nothing moves, because nobody reads.
  for (let before = -1; before !== sent;) {
    before = sent;
    for (let turn = 0; turn < 1_000; turn++) await nextTurn();
  }
  assert.ok(sent < HUGE / 2, `${sent} bytes were sent`);
  // Nobody can see that a client has left behind bytes that nobody reads: the upstream goes on.
  client.destroy();
  upstream.on('error', () => undefined);
  const closed = new Promise((resolve) => {
    upstream.once('close', resolve);
  });
  upstream.resume();
  const [call] = await rig.recorded(1);
  assert.equal(call?.outcome, 'client_left');
  await closed;
  assert.equal(upstream.complete, false);
  assert.ok((call?.requestBytes ?? HUGE) < HUGE / 2, `${call?.requestBytes} bytes were read`);
});

test('a client that still sends when the upstream has answered gets the answer', async () => {
  await using router = await startSlowUpstream();
  await using rig = await startRig({ router: router.url, settings });
  const answered = ask(rig.url, { path: '/models/acme/sound', body: Buffer.alloc(HUGE) });
  const upstream = await router.first();
  upstream.resume();
  router.answer(413);
  assert.equal((await answered).status, 413);
});
