import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { OUTCOMES, isDecided, isFault, meaningOf } from '../../src/core/outcome.ts';

/** The table again, in short. Marks: fault of `U`pstream or `E`ndpoint, `L`imit, `C`aller, `N`obody; then what holds. */
const EXPECTED: Readonly<Record<Outcome, string>> = {
  ok: 'N well',
  rate_limited: 'L falls-back repeatable:yes well turned-away',
  no_credits: 'C well',
  client_error: 'C well unable',
  unauthorized: 'E falls-back well unable',
  not_found: 'E falls-back well unable',
  paused: 'E falls-back',
  server_error: 'U falls-back repeatable:if_proxy fault',
  unavailable: 'U falls-back repeatable:yes fault turned-away',
  connect_failed: 'U falls-back repeatable:yes fault',
  first_byte_timeout: 'U falls-back fault turned-away',
  idle_timeout: 'U falls-back fault',
  broken_stream: 'U falls-back fault',
  client_left: 'N',
  cut: 'N',
  gateway_error: 'N',
  total_timeout: 'U fault',
  incomplete_answer: 'U falls-back fault',
  empty_answer: 'U falls-back fault',
  rejected_by_endpoint: 'E falls-back well',
  local_error: 'N falls-back repeatable:yes',
  circuit_open: 'L turned-away',
  saturated: 'N falls-back repeatable:yes well turned-away',
};

function inShort(outcome: Outcome): string {
  const { by, fallsBack, repeatable, health, isTurnedAway, isUnable } = meaningOf(outcome);
  return [
    by.slice(0, 1).toUpperCase(),
    fallsBack ? 'falls-back' : '',
    repeatable === 'no' ? '' : `repeatable:${repeatable}`,
    health ?? '',
    isTurnedAway ? 'turned-away' : '',
    isUnable ? 'unable' : '',
  ]
    .filter((mark) => mark !== '')
    .join(' ');
}

describe('the table of outcomes', () => {
  for (const [outcome, marks] of Object.entries(EXPECTED)) {
    it(`${outcome}: ${marks}`, () => assert.equal(inShort(outcome as Outcome), marks));
  }

  it('has no row that is not named here, and keeps the positions that ledgers store as numbers', () => {
    assert.deepEqual(OUTCOMES, Object.keys(EXPECTED));
  });

  it('lets a call be repeated only where its upstream did not take it', () => {
    const took = (outcome: Outcome) => outcome.endsWith('_answer') || outcome === 'broken_stream' || outcome === 'ok';
    assert.deepEqual(
      OUTCOMES.filter((outcome) => took(outcome) && meaningOf(outcome).repeatable !== 'no'),
      [],
    );
  });
});

describe('isFault', () => {
  for (const outcome of OUTCOMES) {
    const { by } = meaningOf(outcome);
    const holds = {
      'an endpoint': by === 'upstream' || by === 'endpoint' || by === 'limit',
      serverless: by === 'upstream',
      'serverless on a way back': by === 'upstream' || by === 'limit',
    };
    it(`${outcome} is a fault of ${
      Object.entries(holds)
        .filter(([, is]) => is)
        .map(([who]) => who)
        .join(', ') || 'nobody'
    }`, () => {
      assert.deepEqual(
        [
          isFault(outcome, 'dedicated', 'dedicated'),
          isFault(outcome, 'serverless', 'dedicated'),
          isFault(outcome, 'serverless', 'serverless'),
        ],
        Object.values(holds),
      );
    });
  }
});

describe('isDecided', () => {
  it('is true for answers and faults, and for nothing else', () => {
    for (const outcome of OUTCOMES) {
      for (const upstream of ['serverless', 'dedicated'] as const) {
        for (const toward of ['serverless', 'dedicated'] as const) {
          assert.equal(
            isDecided(outcome, upstream, toward),
            outcome === 'ok' || isFault(outcome, upstream, toward),
            outcome,
          );
        }
      }
    }
  });
});
