import assert from 'node:assert/strict';
import test from 'node:test';
import type { DemoResult } from '../../src/cli/demo/report.ts';
import { exitCodeOf } from '../../src/cli/demo/report.ts';
import { summary } from '../../src/cli/demo/summary.ts';

function resultOf(more: Partial<DemoResult>, failedByStatus: Record<string, number> = {}): DemoResult {
  const quantiles = { p50: 1, p95: 1, p99: 1 };
  const clientFailures = Object.values(failedByStatus).reduce((sum, calls) => sum + calls, 0);
  return {
    fault: null,
    phase: 'promoted',
    reason: null,
    why: null,
    swarm: {
      played: 9,
      total: 9,
      calls: 9,
      repeats: 0,
      streams: 3,
      byStatus: { 200: 9 },
      refused: 0,
      clientFailures,
      failedByStatus,
      failures: [],
      latencyMs: quantiles,
      firstByteMs: quantiles,
      latestMs: 0,
    },
    ledgerCalls: 9,
    endpoints: [],
    endpointsCreated: 1,
    steps: [],
    decisions: 1,
    auditVerified: true,
    timeline: [],
    tokens: [],
    pricing: null,
    ...more,
  };
}

const BACK = { phase: 'aborted', reason: 'over_limits: errors 5 % against 0 %' };

test('failures that a fault makes unavoidable do not change the exit status, all others do', () => {
  assert.equal(exitCodeOf(resultOf({ ...BACK, fault: 'hang' }, { 200: 3 })), 5);
  assert.equal(exitCodeOf(resultOf({ ...BACK, fault: 'hang' }, { 200: 3, 502: 1 })), 1);
  assert.equal(exitCodeOf(resultOf({ ...BACK, fault: 'errors' }, { 200: 3 })), 1);
  assert.equal(exitCodeOf(resultOf({ fault: 'serverless-incident' }, { 500: 9 })), 0);
  assert.equal(exitCodeOf(resultOf({}, { 500: 9 })), 1);
});

test('a rollout that only held says so, and why, and is neither promoted nor rolled back', () => {
  const held = resultOf({ fault: 'slow', phase: 'stepping', why: '3 of 5 min' });
  assert.equal(exitCodeOf(held), 1);
  const text = summary(held, undefined).replaceAll(/\s+/g, ' ');
  assert.match(text, /still stepping: it held, neither promoted nor rolled back: 3 of 5 min\./);
  assert.match(text, /--fault slow: .* Expected: held or rolled back\./);
});

test('the summary says what failed without anybody being able to help it', () => {
  const text = summary(resultOf({ ...BACK, fault: 'hang' }, { 200: 3 }), undefined).replaceAll(/\s+/g, ' ');
  assert.match(text, /ended aborted \(over_limits: errors 5 % against 0 %\)/);
  assert.match(text, /unavoidable 3 of the failed: hung after a part/);
});
