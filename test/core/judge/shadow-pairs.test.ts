import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agreement } from '../../../src/core/form/agreement.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Known } from '../../../src/core/judge/call-order.ts';
import { nameKey } from '../../../src/core/judge/name-key.ts';
import { isInTime, keyOf, Pairs, takePair } from '../../../src/core/judge/shadow-pairs.ts';
import type { JudgedCall } from '../../../src/core/judge/verdict.ts';

const LATE_US = 30_000_000;

const known = (outcome: Outcome, knownAfterUs = 1_000): Known => ({
  outcome,
  knownAfterUs,
  durationUs: knownAfterUs,
  firstTokenUs: null,
  promptTokens: null,
  outputTokens: null,
  isEmpty: null,
});

/** How a copy counts beside a live call. */
function judged(live: Known | null, copy: Outcome): Outcome | null {
  let outcome: Outcome | null = null;
  const key = { gatewayId: 1, arrivedAtUs: 1, setOutAtUs: 1, step: 0 };
  const taker = { pair: (_: unknown, canary: { outcome: Outcome | null }) => void (outcome = canary.outcome) };
  takePair(taker, { ...key, stable: live, canary: known(copy) }, LATE_US);
  return outcome;
}

const REJECTED: readonly Outcome[] = ['client_error', 'not_found', 'no_credits'];
const NOT_SETTLED: readonly Outcome[] = ['rate_limited', 'server_error', 'unavailable', 'no_credits', 'client_left'];

test('a copy that the endpoint rejected is its fault if serverless answered, else nobody’s', () => {
  for (const copy of REJECTED) {
    assert.equal(judged(known('ok'), copy), 'rejected_by_endpoint');
    for (const live of [...REJECTED, ...NOT_SETTLED]) assert.equal(judged(known(live), copy), 'client_error', live);
    // What becomes of the live call is not known in time.
    assert.equal(judged(known('ok', LATE_US), copy), 'client_error');
    assert.equal(judged(null, copy), 'client_error');
  }
});

test('any other end of a copy counts as it is, whatever became of the live call', () => {
  for (const copy of ['ok', 'server_error', 'unauthorized', 'paused', 'empty_answer'] as const) {
    for (const live of ['ok', 'client_error', 'rate_limited'] as const) assert.equal(judged(known(live), copy), copy);
  }
});

/** What the judge is told of the agreement of a pair. */
function agreed(stable: Known | null, canary: Known | null): Agreement | null | undefined {
  let told: Agreement | null | undefined;
  const key = { gatewayId: 1, arrivedAtUs: 1, setOutAtUs: 1, step: 0 };
  const taker = { pair: (_: unknown, __: unknown, agreement: Agreement | null) => void (told = agreement) };
  takePair(taker, { ...key, stable, canary }, LATE_US);
  return told;
}

test('the half of a pair that ended last says how far the two agree, if both were answered in time', () => {
  const agreement = { finish: true, tools: null, args: null, text: 1, cosine: null };
  const last = (outcome: Outcome, afterUs?: number): Known => ({ ...known(outcome, afterUs), agreement });
  assert.equal(agreed(last('ok'), known('ok')), agreement);
  assert.equal(agreed(known('ok'), last('ok')), agreement);
  assert.equal(agreed(known('ok'), known('ok')), null);
  assert.equal(agreed(known('ok'), last('ok', LATE_US)), null);
  assert.equal(agreed(last('ok', LATE_US), known('ok')), null);
  assert.equal(agreed(known('rate_limited'), last('ok')), null);
});

test('a pair of the shadow stage must be old enough when the first step begins, one of a step need not', () => {
  const pair = { gatewayId: 1, arrivedAtUs: 1, setOutAtUs: 1_000 };
  assert.equal(isInTime({ ...pair, step: 0 }, LATE_US, 1_000 + LATE_US), true);
  assert.equal(isInTime({ ...pair, step: 0 }, LATE_US, 999 + LATE_US), false);
  assert.equal(isInTime({ ...pair, step: 1 }, LATE_US, 0), true);
});

test('both calls of a pair are of the agent that sent the live call, and ask for the same', () => {
  const key = keyOf({ gatewayId: 1, arrivedAtUs: 1, waitedUs: 0, step: 0, agent: 'ada', shape: 'chat+stream+tools' });
  const told: (readonly unknown[])[] = [];
  const taker = {
    pair: (stable: JudgedCall, canary: JudgedCall) =>
      void told.push([stable, canary].map(({ agent, asks }) => [agent, asks])),
  };
  const pairs = new Pairs(taker, LATE_US);
  pairs.half('stable', key, known('ok'));
  pairs.half('canary', key, known('ok'));
  pairs.advance(2 * LATE_US);
  const of = [nameKey('ada'), { tools: true, json: false }];
  assert.deepEqual(told, [[of, of]]);
});
