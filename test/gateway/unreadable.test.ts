import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { Call } from '../../src/core/call.ts';
import { LiveSet } from '../../src/gateway/live-set.ts';
import type { Shared } from '../../src/gateway/shared.ts';
import { UnreadableRequests } from '../../src/gateway/unreadable.ts';
import { MODEL, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';

const POST = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
const CALL = `${POST}Content-Length: ${chat().length}\r\n\r\n${chat()}`;

/** Sends bytes on a connection of its own, and reads until it is closed. */
function exchange(port: number, bytes: Buffer | string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  let text = '';
  socket.on('data', (data) => (text += data.toString('latin1')));
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  return promise;
}

const statusesIn = (text: string) => [...text.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, status]) => Number(status));

/** What comes on a connection, the status that it gets, and the code of the error. */
const REQUESTS: readonly (readonly [what: string, bytes: Buffer | string, status: number, code: string])[] = [
  ['a header of 20 KB', `${POST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['a header that never ends', `${POST}X-A: ${'a'.repeat(400_000)}`, 431, 'headers_too_large'],
  ['many headers', `${POST}${'X-A: aaaaaaaaaaaaaaaa\r\n'.repeat(900)}\r\n`, 431, 'headers_too_large'],
  ['a path of 20 KB', `GET /v1/models?${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, 'headers_too_large'],
  ['large headers before a body', `${POST}X: ${'a'.repeat(20_000)}\r\n\r\n${chat()}`, 431, 'headers_too_large'],
  ['large trailers', `${CHUNKED}0\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['large chunk extensions', `${CHUNKED}1;${'a'.repeat(20_000)}\r\na\r\n`, 413, 'chunk_extensions_too_large'],
  ['no HTTP', 'hello\r\n\r\n', 400, 'unreadable_request'],
  ['TLS', Buffer.from('160301020001000', 'hex'), 400, 'unreadable_request'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'unreadable_request'],
  ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'unreadable_request'],
  ['a blank in the name of a header', `${POST}Bad Name: x\r\n\r\n`, 400, 'unreadable_request'],
  ['two lengths', `${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`, 400, 'unreadable_request'],
  ['a length and chunks', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 400, 'unreadable_request'],
  ['a wrong length', `${POST}Content-Length: five\r\n\r\n`, 400, 'unreadable_request'],
  ['a wrong chunk', `${CHUNKED}zz\r\n{}\r\n`, 400, 'unreadable_request'],
  ['a wrong chunk later', `${CHUNKED}2\r\n{}\r\n2\r\n{}xx`, 400, 'unreadable_request'],
  ['an expectation that nobody knows', `${POST}Expect: x\r\nConnection: close\r\n\r\n`, 417, 'unknown_expectation'],
  ['a host that is missing', 'POST /v1/embeddings HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'unreadable_request'],
];

for (const [what, bytes, status, code] of REQUESTS) {
  test(`a request that cannot be read gets its answer and leaves one row: ${what}`, async () => {
    await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
    await using rig = await startRig({ router: router.url });
    const text = await exchange(Number(new URL(rig.url).port), bytes);
    assert.deepEqual(statusesIn(text), [status]);
    assert.match(text, new RegExp(`^x-upshift-error: ${code}\\r$`, 'm'));
    assert.match(text, /^connection: close\r$/im);
    const { error } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { error: { code: string } };
    assert.equal(error.code, code);
    assert.deepEqual(
      rig.calls.map((call) => [call.status, call.outcome, call.finalOutcome, call.model, call.attempts]),
      [[status, 'gateway_error', 'gateway_error', null, []]],
    );
    assert.deepEqual([rig.gateway.counters.requests, rig.gateway.counters.refused], [1, 1]);
    assert.deepEqual(await rig.gateway.drain(1_000), { finished: 0, cut: 0 });
  });
}

test('the answer to a call goes out whole before nonsense behind it ends the connection', async () => {
  let release: () => void = () => undefined;
  await using router = await startUpstream((res) => (release = () => json(res, 200, chatAnswer(MODEL))));
  await using rig = await startRig({ router: router.url });
  const answer = exchange(Number(new URL(rig.url).port), `${CALL}nonsense\r\n\r\n`);
  while (router.received.length === 0) await new Promise(setImmediate);
  release();
  const text = await answer;
  assert.deepEqual(statusesIn(text), [200]);
  assert.ok(text.endsWith(JSON.stringify(chatAnswer(MODEL))));
  assert.deepEqual(
    (await rig.recorded(1)).map(({ outcome, hasClientLeft }) => [outcome, hasClientLeft]),
    [['ok', false]],
  );
});

test('a client that ends its request early has left, and one that ends it within its headers gets an answer', async () => {
  await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  for (const [bytes, status, outcome] of [
    [`${POST}Content-Length: 50\r\n\r\n{"model":`, 0, 'client_left'],
    [`${CHUNKED}5\r\n{"m`, 0, 'client_left'],
    [POST, 400, 'gateway_error'],
  ] as const) {
    await using rig = await startRig({ router: router.url });
    const socket = connect({ port: Number(new URL(rig.url).port), host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined).resume();
    socket.end(bytes);
    const calls = await rig.recorded(1);
    assert.deepEqual(
      calls.map((call) => [call.status, call.finalOutcome, call.attempts]),
      [[status, outcome, []]],
    );
  }
  assert.equal(router.received.length, 0);
});

/** A connection on which these bytes have come, and what its other side gets. */
async function connectionWith(bytes: string): Promise<{ readonly socket: Socket; readonly text: Promise<string> }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((socket) =>
    bytes === '' ? resolve(socket) : socket.once('data', () => resolve(socket)),
  );
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening);
  });
  const text = exchange((server.address() as AddressInfo).port, bytes);
  const socket = await promise;
  server.close();
  return { socket, text };
}

test('a request that is late gets a 408 and a row, a connection without one no row, and each connection one answer', async () => {
  for (const [bytes, rows] of [
    ['POST', 1],
    ['', 0],
  ] as const) {
    const calls: Call[] = [];
    const shared = {
      gatewayId: 1,
      counters: { requests: 0, refused: 0 },
      recorder: { record: (_: Call, release: () => void) => release() },
      observer: { ended: (call: Call) => calls.push(call) },
      nextArrivalUs: () => 1,
      nowUs: () => 2,
    } as unknown as Shared;
    const unreadable = new UnreadableRequests(shared, new LiveSet());
    const { socket, text } = await connectionWith(bytes);
    const error = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    for (let n = 0; n < 3; n++) unreadable.take(error, socket);
    assert.deepEqual(statusesIn(await text), [408]);
    assert.deepEqual([calls.length, calls.every(({ status }) => status === 408)], [rows, true]);
  }
});
