import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeNext } from '../../../src/core/care/next.ts';
import { OUTCOMES, meaningOf } from '../../../src/core/outcome.ts';
import type { Outcome } from '../../../src/core/outcome.ts';

const after = (outcome: Outcome, upstream: 'serverless' | 'dedicated', status = 0) =>
  judgeNext({ upstream, outcome, status, hasReachedClient: false, isBodyGone: false });

describe('what follows an attempt', () => {
  it('is nothing once a byte has reached the client, or if the body was not kept', () => {
    for (const outcome of OUTCOMES) {
      for (const upstream of ['serverless', 'dedicated'] as const) {
        const ended = { upstream, outcome, status: 502 };
        for (const isBodyGone of [false, true]) {
          const next = judgeNext({ ...ended, hasReachedClient: true, isBodyGone });
          assert.deepEqual(next, { step: 'give', why: 'has_reached_client' });
        }
        const gone = judgeNext({ ...ended, hasReachedClient: false, isBodyGone: true });
        assert.deepEqual(gone, { step: 'give', why: 'body_is_gone' });
      }
    }
  });

  it('at an endpoint is serverless, if its row says so, and never the endpoint again', () => {
    for (const outcome of OUTCOMES) {
      assert.equal(after(outcome, 'dedicated').step, meaningOf(outcome).fallsBack ? 'elsewhere' : 'give', outcome);
    }
  });

  it('at serverless is a repeat only of calls that it did not take', () => {
    const again = OUTCOMES.filter((outcome) => after(outcome, 'serverless').step === 'again');
    assert.deepEqual(again, ['rate_limited', 'unavailable', 'connect_failed', 'local_error', 'saturated']);
    assert.deepEqual(
      [500, 501, 502, 504, 505].map((status) => after('server_error', 'serverless', status).step),
      ['give', 'give', 'again', 'again', 'give'],
    );
    assert.deepEqual(after('incomplete_answer', 'serverless', 200), { step: 'give', why: 'was_taken' });
    assert.deepEqual(after('no_credits', 'serverless', 402), { step: 'give', why: 'would_end_the_same' });
  });
});
