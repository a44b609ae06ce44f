import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors } from 'undici';
import { outcomeOfError } from '../../src/gateway/attempt/outcome.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { BODY, LENGTH, startRaw } from './raw.ts';
import { ask, chat, startRig } from './rig.ts';

const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

/** What Node gives if a host has several addresses: its code is that of the first error. */
const several = (...codes: readonly string[]) =>
  Object.assign(
    new AggregateError(
      codes.map((code) => coded(code)),
      codes.join(),
    ),
    { code: codes[0] },
  );

const ERRORS: readonly (readonly [error: Error, hasAnswer: boolean, outcome: string])[] = [
  [coded('ECONNREFUSED'), false, 'connect_failed'],
  [coded('ECONNRESET'), false, 'connect_failed'],
  [coded('ECONNRESET'), true, 'broken_stream'],
  [coded('ENOTFOUND'), false, 'connect_failed'],
  [new errors.ConnectTimeoutError(), false, 'connect_failed'],
  [new errors.SocketError('other side closed'), false, 'connect_failed'],
  [new errors.SocketError('other side closed'), true, 'broken_stream'],
  [new errors.SocketError('bad response'), false, 'broken_stream'],
  [new errors.HeadersOverflowError(), false, 'broken_stream'],
  [new errors.HTTPParserError('Invalid header value char'), false, 'broken_stream'],
  [coded('HPE_INVALID_HEADER_TOKEN'), false, 'broken_stream'],
  [new errors.ResponseContentLengthMismatchError(), false, 'broken_stream'],
  [new errors.InvalidArgumentError('invalid request path'), false, 'gateway_error'],
  [coded('EMFILE'), false, 'local_error'],
  [coded('EADDRNOTAVAIL'), false, 'local_error'],
  [several('EMFILE', 'EMFILE'), false, 'local_error'],
  // No port is left for the one address, and there is no way to the other.
  [several('ENETUNREACH', 'EADDRNOTAVAIL'), false, 'local_error'],
  // A machine without IPv6 says EADDRNOTAVAIL of a host's IPv6 address: the host has refused all the same.
  [several('ECONNREFUSED', 'EADDRNOTAVAIL'), false, 'connect_failed'],
  [several('EADDRNOTAVAIL', 'ECONNREFUSED'), false, 'connect_failed'],
  [several('ENETUNREACH', 'ENETUNREACH'), false, 'connect_failed'],
  [new RangeError('Array buffer allocation failed'), false, 'local_error'],
  [new Error('connect', { cause: coded('ENFILE') }), false, 'local_error'],
  // Once an answer had begun, the upstream has taken the call, whatever ended it.
  [coded('EMFILE'), true, 'broken_stream'],
];

for (const [error, hasAnswer, outcome] of ERRORS) {
  const what = `${error.name} ${'code' in error && !(error instanceof AggregateError) ? String(error.code) : error.message}`;
  test(`${what} ${hasAnswer ? 'within' : 'without'} an answer is ${outcome}`, () => {
    assert.equal(outcomeOfError(error, hasAnswer), outcome);
  });
}

const HEADS: readonly (readonly [what: string, head: string, status: number])[] = [
  ['headers of 20 KB', `HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(20_000)}`, 200],
  ['headers of 70 KB', `HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(70_000)}`, 502],
  ['a name of a header with a control character', 'HTTP/1.1 200 OK\r\nX-\u0001Odd: a', 502],
  ['a change of protocol that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c', 502],
  ['a header whose name has a blank', 'HTTP/1.1 200 OK\r\nBad Header: x', 502],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.6', 502],
];

for (const [what, head, status] of HEADS) {
  test(`a call whose answer has ${what} is sent once`, async () => {
    await using upstream = await startRaw((socket) => socket.write(`${head}\r\n${LENGTH}\r\n${BODY}`, 'latin1'));
    await using rig = await startRig({ router: upstream.url, care: POLICY_DEFAULTS.care });
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, upstream.asked], [status, 1]);
    const [call] = await rig.recorded(1);
    assert.equal(call?.outcome, status === 200 ? 'ok' : 'broken_stream');
  });
}
