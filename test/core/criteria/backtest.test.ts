import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backtest } from '../../../src/core/criteria/backtest.ts';
import type { BacktestCall } from '../../../src/core/criteria/backtest.ts';
import { routePolicy, START } from '../../support/samples.ts';

const MINUTE = 60_000;
const { criteria } = routePolicy({
  criteria: { window: MINUTE, calls: 30, agents: 5, refused: 0.05, sustain: MINUTE },
});

/** One call a second, from ten agents, every fifth refused, from one minute until another. */
function calls(fromMinute: number, toMinute: number): BacktestCall[] {
  const count = (toMinute - fromMinute) * 60;
  return Array.from({ length: count }, (_, i) => ({
    atMs: START + fromMinute * MINUTE + i * 1_000,
    agent: `agent-${i % 10}`,
    isAgentDerived: false,
    isRefused: i % 5 === 0,
  }));
}

const inMinutes = (at: number | null) => (at === null ? null : (at - START) / MINUTE);

describe('a backtest of criteria', () => {
  it('finds the span in which they held, and when they would have led to a proposal', () => {
    const [span, ...more] = backtest(calls(0, 10), criteria);
    assert.deepEqual(more, []);
    // After thirty-one seconds the window has more than thirty calls.
    assert.equal(inMinutes(span?.since ?? null), 31 / 60);
    assert.equal(inMinutes(span?.proposedAt ?? null), 1 + 31 / 60);
    assert.equal(span?.peak.calls, 60);
  });

  it('finds two spans if there was no demand between them', () => {
    const spans = backtest([...calls(0, 5), ...calls(20, 25)], criteria);
    assert.deepEqual(
      spans.map(({ since }) => Math.floor(inMinutes(since) ?? 0)),
      [0, 20],
    );
    assert.ok(spans.every(({ since, until }) => until - since < 6 * MINUTE));
  });

  it('proposes nothing if they held for too short a time', () => {
    const [span] = backtest(calls(0, 1), criteria);
    assert.equal(span?.proposedAt, null);
  });

  it('counts how calls ended, in the second in which they ended, if a criterion needs it', () => {
    const slo = { ...criteria, slo: { p95: 1_000 }, window: 5 * MINUTE, require: [['slo']] } as const;
    const took = (durationMs: number) =>
      calls(0, 10).map((call) => {
        const end = { outcome: 'ok' as const, durationMs };
        return { ...call, ended: { ...end, atMs: call.atMs + durationMs } };
      });
    const [span, ...more] = backtest(took(30_000), slo);
    assert.deepEqual(more, []);
    // The hundredth answer ends 129 s after the first call, and is known at the end of that second.
    assert.equal(span?.since, START + 130_000);
    assert.ok(Math.abs((span?.peak.served?.p95 ?? 0) / 30_000 - 1) <= 0.015);
    assert.deepEqual(backtest(took(900), slo), []);
    assert.deepEqual(backtest(calls(0, 10), slo), []);
  });

  it('computes the costs of each second if costs are a criterion', () => {
    const cheaper = { ...criteria, cost: { cheaperBy: 0.2 }, require: [['cost']] } as const;
    const costsOf = ({ calls: n }: { calls: number }) => ({
      serverlessPerHourMicros: n * 100,
      dedicatedPerHourMicros: 2_400,
    });
    const [span] = backtest(calls(0, 5), cheaper, costsOf);
    assert.equal(inMinutes(span?.since ?? null), 31 / 60);
    assert.deepEqual(backtest(calls(0, 5), cheaper), []);
  });

  it('finds nothing if they never held, or if there were no calls', () => {
    assert.deepEqual(backtest(calls(0, 10), { ...criteria, agents: 50 }), []);
    assert.deepEqual(backtest([], criteria), []);
  });
});
