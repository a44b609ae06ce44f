import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSED, admits, ended, sent } from '../../../src/core/care/breaker.ts';
import type { Breaker } from '../../../src/core/care/breaker.ts';
import type { Outcome } from '../../../src/core/outcome.ts';

const POLICY = { faults: 5, cooldown: 60_000, probes: 1 };

function after(outcomes: readonly Outcome[], from: Breaker = CLOSED, nowMs = 0): Breaker {
  return outcomes.reduce((breaker, outcome) => ended(breaker, POLICY, { outcome, wasProbe: false, nowMs }), from);
}

describe('a breaker', () => {
  it('opens after the set number of faults in a row, of any kind, and not before', () => {
    const faults: Outcome[] = ['server_error', 'connect_failed', 'unavailable', 'idle_timeout', 'broken_stream'];
    assert.equal(after(faults.slice(1)).state, 'closed');
    assert.equal(after(faults).state, 'open');
    assert.equal(after([...faults.slice(1), 'ok', ...faults.slice(1)]).state, 'closed');
  });

  it("counts a refusal or a caller's mistake as an answer, and ignores clients that left", () => {
    const four: Outcome[] = ['server_error', 'server_error', 'server_error', 'server_error'];
    for (const outcome of ['rate_limited', 'client_error', 'no_credits'] as const) {
      assert.deepEqual(after([...four, outcome]), CLOSED);
    }
    assert.equal(after([...four, 'client_left', 'server_error']).state, 'open');
  });

  it('admits no call while it cools down, then one probe, and closes or opens by its outcome', () => {
    const open = after(Array<Outcome>(5).fill('connect_failed'), CLOSED, 1_000);
    assert.deepEqual(admits(open, POLICY, 60_999), { ok: false, askAt: 61_000 });
    assert.ok(admits(open, POLICY, 61_000).ok);
    const probing = sent(open, 61_000);
    assert.equal(probing.state, 'half-open');
    assert.ok(!admits(probing, POLICY, 61_001).ok);
    const back = ended(probing, POLICY, { outcome: 'ok', wasProbe: true, nowMs: 62_000 });
    assert.deepEqual(back, CLOSED);
    const still = ended(probing, POLICY, { outcome: 'server_error', wasProbe: true, nowMs: 62_000 });
    assert.ok(!admits(still, POLICY, 121_999).ok);
    assert.ok(admits(still, POLICY, 122_000).ok);
  });

  it('ignores calls that were under way when it opened', () => {
    const open = after(Array<Outcome>(5).fill('connect_failed'));
    assert.equal(after(['ok'], open), open);
    const probing = sent(open, 60_000);
    assert.equal(after(['ok'], probing), probing);
  });

  it('sends another probe if the last one never ends', () => {
    const probing = sent(after(Array<Outcome>(5).fill('connect_failed')), 60_000);
    assert.ok(!admits(probing, POLICY, 119_999).ok);
    assert.ok(admits(probing, POLICY, 120_000).ok);
  });
});
