import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import * as fc from 'fast-check';
import { unavailableReply } from '../../../src/gateway/attempt/unavailable.ts';
import { UPSTREAM_UNAVAILABLE } from '../../../src/gateway/request/reply.ts';
import { ask, chat, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour } from '../rig.ts';

const plain: Behaviour = (res) => {
  res.writeHead(503, { 'content-type': 'text/html' });
  res.end('<html>busy</html>');
};

const DEFAULT = [UPSTREAM_UNAVAILABLE.message, 'upstream_error', '5'] as const;

test('a 503 becomes a 502 with the message of the upstream, its type and when to ask again', async () => {
  const cases: readonly (readonly [Behaviour, readonly [string, string, string]])[] = [
    [
      (res) =>
        json(res, 503, { error: { message: 'Overloaded', type: 'overloaded', code: 1 } }, { 'retry-after': '7' }),
      ['Overloaded', 'overloaded', '7'],
    ],
    [
      (res) => json(res, 503, { error: 'Model is overloaded', error_type: 'overloaded' }),
      ['Model is overloaded', 'overloaded', '5'],
    ],
    [
      (res) => json(res, 503, { error: 'Model X is currently loading', estimated_time: 19.2 }),
      ['Model X is currently loading', 'upstream_error', '20'],
    ],
    [
      (res) => json(res, 503, { error: 'loading', estimated_time: 19.2 }, { 'retry-after': '3' }),
      ['loading', 'upstream_error', '3'],
    ],
    [(res) => json(res, 503, { message: 'no capacity' }), ['no capacity', 'upstream_error', '5']],
    [(res) => json(res, 503, { error: 'x'.repeat(3_000) }), ['x'.repeat(2_000), 'upstream_error', '5']],
    // More than is read, so it is no JSON.
    [(res) => json(res, 503, { error: 'x'.repeat(1_000_000) }), DEFAULT],
    [(res) => json(res, 503, { error: 'loading' }, { 'content-encoding': 'br' }), DEFAULT],
    [(res) => json(res, 503, ['loading']), DEFAULT],
    [plain, DEFAULT],
    [
      (res) => {
        res.writeHead(503, { 'content-length': '100' });
        res.write('{');
        setImmediate(() => res.destroy());
      },
      DEFAULT,
    ],
  ];
  for (const [behave, wanted] of cases) {
    await using router = await startUpstream(behave);
    await using rig = await startRig({ router: router.url });
    const { status, headers, body } = await ask(rig.url, { body: chat() });
    const { error } = JSON.parse(body) as { error: { message: string; type: string; code: string } };
    assert.deepEqual(
      [status, headers['x-upshift-error'], error.code],
      [502, 'upstream_unavailable', 'upstream_unavailable'],
    );
    assert.deepEqual([error.message, error.type, headers['retry-after']], wanted);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.status, call?.outcome, call?.servedBy], [502, 'unavailable', null]);
  }
});

test('whatever a 503 says, the reply is a 502 with a message and a whole number of seconds', () => {
  const fields = ['error', 'error_type', 'estimated_time', 'message', 'type'];
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.dictionary(fc.constantFrom(...fields), fc.anything()).map((value) => JSON.stringify(value)),
  );
  const headers = fc.record({ 'retry-after': fc.oneof(fc.string(), fc.double().map(String)) }, { requiredKeys: [] });
  fc.assert(
    fc.property(headers, body, (given, text) => {
      const reply = unavailableReply(given, Buffer.from(text));
      assert.equal(reply.status, 502);
      assert.ok(reply.message.length > 0);
      assert.match(reply.headers?.join(' ') ?? '', /^retry-after \d+$/);
    }),
    { numRuns: 1_000 },
  );
});

test('a client that leaves while the 503 is read hides nothing of it', async () => {
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
  await using router = await startUpstream((res) => {
    res.writeHead(503);
    res.write('{');
    asked();
  });
  await using rig = await startRig({ router: router.url });
  const leaving = new AbortController();
  const call = fetch(`${rig.url}/v1/chat/completions`, { method: 'POST', body: chat(), signal: leaving.signal });
  await isAsked;
  while (rig.failures.length === 0) await pause(1);
  leaving.abort();
  await assert.rejects(call);
  const [row] = await rig.recorded(1);
  assert.deepEqual([row?.outcome, row?.finalOutcome], ['unavailable', 'client_left']);
});
