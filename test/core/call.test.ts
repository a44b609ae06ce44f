import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '../../src/core/call.ts';
import { OUTCOMES, isDecided, isFault } from '../../src/core/call.ts';

const EITHER: readonly Outcome[] = [
  'paused',
  'server_error',
  'unavailable',
  'connect_failed',
  'first_byte_timeout',
  'idle_timeout',
  'broken_stream',
  'total_timeout',
];
const NEITHER: readonly Outcome[] = ['ok', 'no_credits', 'client_error', 'client_left', 'cut', 'gateway_error'];
const ENDPOINT_ONLY: readonly Outcome[] = ['rate_limited', 'unauthorized', 'not_found'];

describe('isFault', () => {
  it('is tested below for every outcome', () => {
    assert.deepEqual([...EITHER, ...NEITHER, ...ENDPOINT_ONLY].sort(), [...OUTCOMES].sort());
  });

  for (const outcome of EITHER) {
    it(`counts ${outcome} against either upstream`, () => {
      assert.ok(isFault(outcome, 'dedicated', 'dedicated'));
      assert.ok(isFault(outcome, 'serverless', 'dedicated'));
    });
  }
  for (const outcome of NEITHER) {
    it(`counts ${outcome} against neither upstream`, () => {
      assert.ok(!isFault(outcome, 'dedicated', 'dedicated'));
      assert.ok(!isFault(outcome, 'serverless', 'dedicated'));
    });
  }
  for (const outcome of ENDPOINT_ONLY) {
    it(`counts ${outcome} against the endpoint, not against serverless`, () => {
      assert.ok(isFault(outcome, 'dedicated', 'dedicated'));
      assert.ok(!isFault(outcome, 'serverless', 'dedicated'));
    });
  }
});

describe('isDecided', () => {
  it('is true for answers and faults, and for nothing else', () => {
    for (const outcome of OUTCOMES) {
      for (const upstream of ['serverless', 'dedicated'] as const) {
        assert.equal(
          isDecided(outcome, upstream, 'dedicated'),
          outcome === 'ok' || isFault(outcome, upstream, 'dedicated'),
          outcome,
        );
      }
    }
  });
});

describe('OUTCOMES', () => {
  it('keeps the positions that ledgers store as numbers', () => {
    assert.equal(OUTCOMES.indexOf('ok'), 0);
    assert.equal(OUTCOMES.indexOf('rate_limited'), 1);
    assert.equal(OUTCOMES.indexOf('unavailable'), 8);
    assert.equal(OUTCOMES.indexOf('client_left'), 13);
    assert.equal(OUTCOMES.indexOf('gateway_error'), 15);
  });
});
