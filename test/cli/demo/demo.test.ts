import assert from 'node:assert/strict';
import test from 'node:test';
import type { DemoResult } from '../../../src/cli/demo/report.ts';
import { endingOf, exitCodeOf } from '../../../src/cli/demo/report.ts';
import { summary } from '../../../src/cli/demo/summary.ts';
import { VARIANT_NAMES, VARIANTS, variantsText } from '../../../src/cli/demo/variants.ts';

function resultOf(more: Partial<DemoResult>, failedByStatus: Record<string, number> = {}): DemoResult {
  const quantiles = { p50: 1, p95: 1, p99: 1 };
  const clientFailures = Object.values(failedByStatus).reduce((sum, calls) => sum + calls, 0);
  return {
    timeScale: 40,
    fault: null,
    phase: 'promoted',
    reason: null,
    why: null,
    drift: null,
    swarm: {
      played: 9,
      total: 9,
      calls: 9,
      repeats: 0,
      streams: 3,
      byStatus: { 200: 9 },
      refused: 0,
      unanswered: 0,
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
    parts: { before: null, after: null },
    ...more,
  };
}

/** The summary on one line. */
function textOf(result: DemoResult): string {
  return summary(result, undefined).replaceAll(/\s+/g, ' ');
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
  assert.equal(endingOf(held), 'held');
  assert.equal(exitCodeOf(held), 1);
  const text = textOf(held);
  assert.match(text, /Held: the traffic ended while it was still stepping: 3 of 5 min\./);
  assert.match(textOf({ ...held, drift: 0.262 }), /3 of 5 min\. This machine was too busy .* drifted by 26\.2 % from/);
  assert.match(text, /--fault slow: .*\. It should be rolled back or held, and it was\./);
});

test('the summary says what failed without anybody being able to help it', () => {
  const text = textOf(resultOf({ ...BACK, fault: 'hang' }, { 200: 3 }));
  assert.match(text, /Rolled back before the first step: errors 5 % against 0 %\./);
  assert.match(text, /unavoidable 3 of the failed: hung after a part/);
});

test('an ending that should not be is called one', () => {
  const text = textOf(resultOf({ fault: 'tail', why: 'answers 4 % longer' }));
  assert.match(text, /Promoted: all figures are within their margins; the least certain one: answers 4 % longer\./);
  assert.match(text, /It should be rolled back or held, but it was promoted\./);
});

test('no fault of the endpoint is to be promoted, and --help says what should come of each', () => {
  const text = variantsText().replaceAll(/\s+/g, ' ');
  for (const name of VARIANT_NAMES) {
    const { what, expected } = VARIANTS[name];
    assert.ok(text.includes(`${name} ${what} (${expected.join(' or ')})`), name);
    assert.equal(expected[0] === 'promoted', name === 'serverless-incident');
  }
  for (const line of variantsText().split('\n')) assert.ok(line.length <= 80, line);
});

test('at 80 columns nothing is wider, and the reason is told once', () => {
  const reason = `verdict_fail: endpoint 32 % slower (17 % slower to 49 % slower); limit 20 % slower; ${'evidence '.repeat(9)}`;
  const timeline = ['draining', 'ended'].map((type, i) => {
    const data = JSON.stringify({ type, outcome: 'aborted', reason, hint: null });
    return { id: i + 1, decisionId: null, rolloutId: 'aaaabbbb', at: 0, type, data };
  });
  const text = summary(resultOf({ phase: 'aborted', reason, timeline }), undefined);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  assert.equal(text.match(/32 % slower/g)?.length, 1);
  assert.match(text, /draining, reason verdict_fail\n/);
});
