import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Answer } from '../../src/loadtest/answer.ts';
import type { EndKind } from '../../src/loadtest/call.ts';
import { Tally } from '../../src/loadtest/tally.ts';

const KINDS: readonly EndKind[] = ['ok', 'refused', 'server', 'connection', 'timeout', 'other', 'cut'];
const LENGTH_MS = 3_600_000;

const calls = fc.array(
  fc.record({
    dueMs: fc.integer({ min: 0, max: LENGTH_MS + 10 }),
    waitMs: fc.integer({ min: 0, max: 10_000 }),
    durationMs: fc.integer({ min: 1, max: 60_000 }),
    kind: fc.constantFrom(...KINDS),
  }),
  { minLength: 1, maxLength: 50 },
);

function tallyOf(many: readonly { dueMs: number; waitMs: number; durationMs: number; kind: EndKind }[]) {
  const tally = new Tally(LENGTH_MS, 300_000);
  for (const { dueMs, waitMs, durationMs, kind } of many) {
    const ended = { kind, status: kind === 'ok' ? 200 : 0, failure: undefined, durationMs, firstByteMs: 1 };
    const answer = { ...ended, firstTokenMs: 1, retryAfterMs: undefined, attempts: 1 };
    tally.begin(dueMs);
    tally.send(dueMs + waitMs, false);
    tally.endRequest(answer, dueMs + waitMs + durationMs);
    tally.endCall(answer, { dueMs, sentMs: dueMs + waitMs });
  }
  return tally.report();
}

describe('the counts of a load test', () => {
  it('have the same sums by window, by point and in total', () => {
    fc.assert(
      fc.property(calls, (many) => {
        const { total, windows, points, inFlight } = tallyOf(many);
        for (const spans of [windows, points]) {
          assert.equal(
            spans.reduce((sum, span) => sum + span.calls, 0),
            total.calls,
          );
          assert.equal(
            spans.reduce((sum, span) => sum + span.requests, 0),
            total.requests,
          );
          for (const kind of KINDS)
            assert.equal(
              spans.reduce((sum, span) => sum + span.ends[kind], 0),
              total.ends[kind],
            );
        }
        assert.deepEqual([total.calls, inFlight], [many.length, 0]);
      }),
    );
  });

  it('do not grow with the number of calls or the time they take', () => {
    fc.assert(
      fc.property(calls, (many) => {
        const { windows, points } = tallyOf(many);
        assert.ok(windows.length <= 12 && points.length <= 202);
      }),
    );
  });

  it('count failures among the calls that ended, and time only successful calls, from the time they were due', () => {
    fc.assert(
      fc.property(calls, (many) => {
        const { total } = tallyOf(many);
        const ok = many.filter(({ kind }) => kind === 'ok');
        const ended = many.filter(({ kind }) => kind !== 'cut');
        assert.equal(total.errorShare, ended.length === 0 ? 0 : (ended.length - ok.length) / ended.length);
        if (total.latencyMs === null) return assert.equal(ok.length, 0);
        const longest = Math.max(...ok.map(({ waitMs, durationMs }) => waitMs + durationMs));
        assert.ok(Math.abs(total.latencyMs.p99 - longest) <= longest * 0.01 + 1);
        assert.ok(total.latencyMs.p50 <= total.latencyMs.p95 && total.latencyMs.p95 <= total.latencyMs.p99);
      }),
    );
  });
});

describe('an answer', () => {
  const STREAM =
    ': hello\n\ndata: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n' +
    'data: {"choices":[{"delta":{"content":"a \\"content\\":\\"b\\""}}]}\n\n' +
    'data: {"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

  it('is read the same however it is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), (sizes) => {
        const answer = new Answer(true);
        let [rest, token, taken] = [STREAM, -1, 0];
        for (const size of [...sizes, STREAM.length]) {
          const piece = rest.slice(0, size);
          rest = rest.slice(size);
          taken += piece.length;
          if (answer.take(piece)) {
            assert.equal(token, -1);
            token = taken;
          }
        }
        assert.equal(answer.findFault(), undefined);
        assert.ok(token > STREAM.indexOf('a \\"'));
      }),
    );
  });

  it('has no first token before one arrives, and is not complete without its end', () => {
    const answer = new Answer(true);
    const end = STREAM.indexOf('data: {"choices":[{"delta":{"content":"a');
    assert.equal(answer.take(STREAM.slice(0, end)), false);
    assert.match(answer.findFault() ?? '', /without finish_reason/);
    answer.take('data: {"error":{"message":"overloaded"}}\n\n');
    assert.match(answer.findFault() ?? '', /a stream with an error: overloaded/);
  });
});
