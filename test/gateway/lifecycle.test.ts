import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { GATEWAY_ID } from '../../src/core/call.ts';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, recorder, startRig, startUpstream } from './rig.ts';

/** A streaming call whose client reads until it has seen `marker`. */
function readUntil(url: string, marker: string): Promise<{ res: IncomingMessage; leave: () => void }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ res: IncomingMessage; leave: () => void }>();
  const req = request(`${url}/v1/chat/completions`, { method: 'POST' });
  req.on('error', reject);
  req.on('response', (res) => {
    let text = '';
    res.on('error', () => undefined);
    const done = () => resolve({ res, leave: () => req.destroy() });
    if (marker === '') done();
    res.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(marker)) done();
    });
  });
  req.end(chat({ stream: true }));
  return promise;
}

/** An upstream that sends the first `count` events and then waits; `closed` resolves when its connection is gone. */
function pausing(count: number) {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const behave = (res: ServerResponse) => {
    res.on('close', () => resolve());
    res.writeHead(200, SSE);
    res.flushHeaders();
    for (const event of chatEvents(MODEL, ['Hel', 'lo']).slice(0, count)) res.write(event);
  };
  return { behave, closed };
}

test('a client that leaves before the finish reason cancels the request to the upstream, and counts as no fault', async () => {
  const { behave, closed } = pausing(2);
  await using router = await startUpstream(behave);
  await using rig = await startRig({ router: router.url });
  const { leave } = await readUntil(rig.url, 'Hel');
  leave();
  await closed;
  const [call] = await rig.recorded(1);
  assert.equal(call?.outcome, 'client_left');
  assert.equal(call?.finalOutcome, 'client_left');
  assert.equal(call?.hasClientLeft, true);
  assert.equal(call?.status, 200);
  assert.deepEqual(rig.failures, [{ outcome: 'client_left', upstream: 'serverless' }]);
});

test('a client that leaves after the finish reason counts as answered', async () => {
  const { behave, closed } = pausing(4);
  await using router = await startUpstream(behave);
  await using rig = await startRig({ router: router.url });
  const { leave } = await readUntil(rig.url, '"stop"');
  assert.deepEqual(
    [...rig.gateway.inFlight()].map((one) => [one.hasFirstByte, one.isDecided]),
    [[true, true]],
  );
  leave();
  await closed;
  const [call] = await rig.recorded(1);
  assert.equal(call?.outcome, 'ok');
  assert.equal(call?.hasClientLeft, true);
});

test('a client that leaves before an answer began is recorded without a status', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  await using router = await startUpstream(() => resolve());
  await using rig = await startRig({ router: router.url });
  const req = request(`${rig.url}/v1/chat/completions`, { method: 'POST' });
  req.on('error', () => undefined);
  req.end(chat());
  await arrived;
  assert.deepEqual(
    [...rig.gateway.inFlight()].map((one) => [one.hasFirstByte, one.isDecided]),
    [[false, false]],
  );
  req.destroy();
  const [call] = await rig.recorded(1);
  assert.equal(call?.status, 0);
  assert.equal(call?.servedBy, null);
  assert.equal(call?.outcome, 'client_left');
});

test('a client that leaves while it sends its request is recorded, and nothing is sent to an upstream', async () => {
  await using router = await startUpstream((res) => json(res, 200, {}));
  await using rig = await startRig({ router: router.url });
  const req = request(`${rig.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-length': '1000' } });
  req.on('error', () => undefined);
  await new Promise((resolve) => {
    req.write('{"model":', resolve);
  });
  while (rig.gateway.counters.requests === 0) await new Promise(setImmediate);
  req.destroy();
  const [call] = await rig.recorded(1);
  assert.equal(call?.finalOutcome, 'client_left');
  assert.deepEqual(call?.attempts, []);
  assert.equal(router.received.length, 0);
});

test('the headers of a stream are sent before its first event', async () => {
  const { behave } = pausing(0);
  await using router = await startUpstream(behave);
  await using rig = await startRig({ router: router.url });
  const { res, leave } = await readUntil(rig.url, '');
  assert.equal(res.statusCode, 200);
  leave();
  await rig.recorded(1);
});

test('the end of an answer that is sent in one piece waits for its row', async () => {
  const releases: (() => void)[] = [];
  await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  await using rig = await startRig({
    router: router.url,
    recorder: recorder((_, release) => releases.push(release)),
  });
  let isAnswered = false;
  const answer = ask(rig.url, { body: chat() }).finally(() => (isAnswered = true));
  await rig.recorded(1);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.equal(isAnswered, false);
  releases[0]?.();
  assert.deepEqual(JSON.parse((await answer).body), chatAnswer(MODEL));
});

test('the end of a stream waits for its row, but its data does not', async () => {
  const releases: (() => void)[] = [];
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    res.end(chatEvents(MODEL, ['Hel', 'lo']).join(''));
  });
  await using rig = await startRig({
    router: router.url,
    recorder: recorder((_, release) => releases.push(release)),
  });
  const { res } = await readUntil(rig.url, '[DONE]');
  await rig.recorded(1);
  assert.equal(res.complete, false);
  const ended = new Promise((resolve) => {
    res.on('close', resolve);
  });
  releases[0]?.();
  await ended;
  assert.equal(res.complete, true);
});

test('the last piece of a large answer waits for its row', async () => {
  const releases: (() => void)[] = [];
  const body = Buffer.alloc(700_000, 'x');
  await using router = await startUpstream((res) => {
    res.writeHead(200, { 'content-length': body.length });
    res.end(body);
  });
  await using rig = await startRig({
    router: router.url,
    recorder: recorder((_, release) => releases.push(release)),
  });
  const answer = ask(rig.url, { body: chat() });
  await rig.recorded(1);
  releases[0]?.();
  const { body: text, isComplete } = await answer;
  assert.equal(isComplete, true);
  assert.equal(text.length, body.length);
  assert.equal(rig.calls[0]?.responseBytes, body.length);
});

test('a client that reads slowly slows the upstream down', async () => {
  let sent = 0;
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    const piece = Buffer.alloc(64 * 1024, 'x');
    const send = (): void => {
      while (sent < 64 * 1024 * 1024) {
        sent += piece.length;
        if (!res.write(piece)) {
          res.once('drain', send);
          return;
        }
      }
      res.end();
    };
    send();
  });
  await using rig = await startRig({ router: router.url });
  const req = request(`${rig.url}/v1/chat/completions`, { method: 'POST' });
  req.on('error', () => undefined);
  req.end(chat({ stream: true }));
  const res = await new Promise<IncomingMessage>((resolve) => {
    req.on('response', resolve);
  });
  for (let last = -1; last !== sent;) {
    last = sent;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken from the upstream`);
  let received = 0;
  for await (const chunk of res) received += (chunk as Buffer).length;
  assert.equal(received, 64 * 1024 * 1024);
  assert.equal((await rig.recorded(1))[0]?.responseBytes, received);
});

test('drain lets calls finish, and cuts those that take too long', async () => {
  const { behave } = pausing(2);
  const { promise: held, resolve: onHeld } = Promise.withResolvers<() => void>();
  await using router = await startUpstream((res, received) => {
    if (received.body.includes('"stream":true')) behave(res);
    else onHeld(() => json(res, 200, chatAnswer(MODEL)));
  });
  await using rig = await startRig({ router: router.url });
  const { res } = await readUntil(rig.url, 'Hel');
  const broken = new Promise((resolve) => {
    res.on('close', resolve);
  });
  const answer = ask(rig.url, { body: chat() });
  const finish = await held;
  const drained = rig.gateway.drain(300);
  finish();
  assert.equal((await answer).status, 200);
  assert.equal((await answer).headers.connection, 'close');
  assert.deepEqual(await drained, { finished: 1, cut: 1 });
  await broken;
  assert.equal(res.complete, false);
  assert.deepEqual(
    rig.calls.map((call) => call.finalOutcome),
    ['ok', 'cut'],
  );
  await assert.rejects(ask(rig.url, { body: chat() }));
});

test('listens on loopback only, and reports a port that is in use', async () => {
  await using rig = await startRig({ router: 'http://127.0.0.1:1' });
  await using other = await startRig({ router: 'http://127.0.0.1:1' });
  const { port } = new URL(rig.url);
  await other.gateway.close();
  assert.throws(() => void rig.gateway.listen(0, '0.0.0.0'), { code: 'invalid' });
  const { createGateway } = await import('../../src/gateway/server.ts');
  const third = createGateway({
    gatewayId: GATEWAY_ID,
    table: () => ({
      generation: 1,
      routes: new Map(),
      fallback: {
        timeouts: {
          connectMs: 1,
          firstByteMs: 1,
          betweenChunksMs: 1,
          totalMs: 1,
          serverless: { betweenChunksMs: 1, totalMs: 1 },
        },
        care: null,
      },
    }),
    routerUrl: 'http://127.0.0.1:1',
    token: null,
    clock: rig.clock,
    recorder: recorder((_, release) => release()),
    observer: {
      arrived: () => undefined,
      sent: () => undefined,
      failed: () => undefined,
      ended: () => undefined,
      shadowed: () => undefined,
    },
    agentSalt: '',
  });
  await assert.rejects(third.listen(Number(port)), (error: unknown) => {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    return code === 'conflict' && message.includes(port) && hint.includes('--port');
  });
  await third.close();
});

/** Connections that the kernel has made to a port and that its process has not yet accepted. */
function waitingAt(port: number): number {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const LISTENING = '0A';
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local = '', , state, queues = ''] = line.trim().split(/\s+/);
    if (state === LISTENING && local.endsWith(end)) return Number.parseInt(queues.split(':')[1] ?? '', 16);
  }
  return assert.fail(`nobody listens on port ${port}`);
}

test('a thousand connections wait while the process is busy, and none is refused', async () => {
  const COUNT = 1_000;
  await using rig = await startRig({ router: 'http://127.0.0.1:1' });
  const port = Number(new URL(rig.url).port);
  const sockets = Array.from({ length: COUNT }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  // They connect before this, and the gateway can accept none until this function waits for something else.
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
  let most = 0;
  for (let looks = 0; most < COUNT && looks < 100; looks++) most = Math.max(most, waitingAt(port));
  for (const socket of sockets) socket.destroy();
  assert.equal(most, COUNT);
});
