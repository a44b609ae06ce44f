import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Dispatcher } from 'undici';
import type { Outcome } from '../../src/core/outcome.ts';
import { Attempt } from '../../src/gateway/attempt/attempt.ts';
import type { OutboundRequest } from '../../src/gateway/attempt/outbound.ts';
import { MODEL, SSE, ask, chat, chatEvents, startRig, startUpstream } from './rig.ts';

const FIRST_BYTE_MS = 3_000;
const BETWEEN_MS = 1_000;
const TOTAL_MS = 10_000;

/** An attempt that nothing is sent for: the test says what arrives, and when. */
function startAttempt() {
  const coarse = { nowMs: 0 };
  const seen: { outcome: Outcome | null } = { outcome: null };
  const nothing = () => undefined;
  const owner = {
    answered: nothing,
    data: nothing,
    completed: nothing,
    broke: (_: Attempt, outcome: Outcome) => (seen.outcome = outcome),
  };
  const request: OutboundRequest = {
    upstream: 'serverless',
    url: 'http://127.0.0.1:1',
    path: '/',
    method: 'POST',
    headers: [],
    body: null,
    connectMs: 1,
    firstByteMs: FIRST_BYTE_MS,
    betweenChunksMs: BETWEEN_MS,
    totalMs: TOTAL_MS,
  };
  const attempt = new Attempt(owner, { coarse, nowUs: () => 0 }, request, 0);
  return { attempt, seen, coarse };
}

const CONTROLLER = {} as Dispatcher.DispatchController;

test('an attempt is given up after the first silence that is too long, or when it has gone on for too long', () => {
  const piece = fc.record({
    afterMs: fc.oneof(fc.nat(BETWEEN_MS - 1), fc.nat(2 * FIRST_BYTE_MS)),
    text: fc.constantFrom(': keep-alive\n\n', ':\n', 'data: {}\n\n', '\n'),
  });
  fc.assert(
    fc.property(fc.nat(2 * FIRST_BYTE_MS), fc.array(piece, { maxLength: 20 }), (headAfterMs, pieces) => {
      const { attempt, seen, coarse } = startAttempt();
      let expected: Outcome | null = null;
      let at = 0;
      const passes = (ms: number, mostMs: number, silent: Outcome) => {
        const cutAt = Math.min(at + mostMs, TOTAL_MS);
        // Looked at a moment before, and when it is due.
        for (const now of [cutAt - 1, cutAt]) {
          if (expected !== null || now > at + ms) continue;
          attempt.expire(now);
          if (now === cutAt) expected = at + mostMs <= TOTAL_MS ? silent : 'total_timeout';
          assert.equal(seen.outcome, expected);
        }
        at += ms;
        coarse.nowMs = at;
      };
      passes(headAfterMs, FIRST_BYTE_MS, 'first_byte_timeout');
      attempt.onResponseStart(CONTROLLER, 200, SSE);
      for (const { afterMs, text } of pieces) {
        passes(afterMs, BETWEEN_MS, 'idle_timeout');
        attempt.onResponseData(CONTROLLER, Buffer.from(text));
      }
      assert.equal(seen.outcome, expected);
    }),
  );
});

const SHORT = { betweenChunksMs: 100, totalMs: 60_000 };
const LONG = { betweenChunksMs: 60_000, totalMs: 60_000 };
const SIDES = [
  ['serverless', { ...LONG, serverless: SHORT }],
  ['the endpoint', { ...SHORT, serverless: LONG }],
] as const;

for (const [short, timeouts] of SIDES) {
  test(`if ${short} has the shorter timeout, only its silent streams are cut`, async () => {
    const [first = '', ...rest] = chatEvents(MODEL, ['Hello']).slice(1);
    const { promise: isCut, resolve: cut } = Promise.withResolvers<void>();
    const behave = (isShort: boolean) =>
      startUpstream((res) => {
        res.writeHead(200, SSE);
        res.write(first);
        res.on('close', () => isShort && cut());
        // The other stream is as silent, for as long as the first one takes to be cut.
        if (!isShort) void isCut.then(() => res.end(rest.join('')));
      });
    await using router = await behave(short === 'serverless');
    await using endpoint = await behave(short !== 'serverless');
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, timeouts });
    const [fromEndpoint, fromServerless] = await Promise.all([
      ask(rig.url, { body: chat({ stream: true }) }),
      ask(rig.url, { body: JSON.stringify({ model: 'acme/other', messages: [], stream: true }) }),
    ]);
    const outcomes = (await rig.recorded(2)).map(({ servedBy, outcome }) => `${servedBy}: ${outcome}`);
    const wanted =
      short === 'serverless'
        ? ['dedicated: ok', 'serverless: idle_timeout']
        : ['dedicated: idle_timeout', 'serverless: ok'];
    assert.deepEqual(outcomes.toSorted(), wanted);
    assert.deepEqual(
      [fromEndpoint.isComplete, fromServerless.isComplete],
      wanted.map((each) => each.endsWith('ok')),
    );
  });
}
