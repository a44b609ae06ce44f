import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backtest } from '../../../src/core/criteria/backtest.ts';
import { nearMissText } from '../../../src/core/criteria/words.ts';
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

const spansOf = (...given: Parameters<typeof backtest>) => backtest(...given).spans;

const inMinutes = (at: number | null) => (at === null ? null : (at - START) / MINUTE);

describe('a backtest of criteria', () => {
  it('finds the span in which they held, and when they would have led to a proposal', () => {
    const [span, ...more] = spansOf(calls(0, 10), criteria);
    assert.deepEqual(more, []);
    // After thirty-one seconds the window has more than thirty calls.
    assert.equal(inMinutes(span?.since ?? null), 31 / 60);
    assert.equal(inMinutes(span?.proposedAt ?? null), 1 + 31 / 60);
    assert.equal(span?.peak.calls, 60);
  });

  it('finds two spans if there was no demand between them', () => {
    const spans = spansOf([...calls(0, 5), ...calls(20, 25)], criteria);
    assert.deepEqual(
      spans.map(({ since }) => Math.floor(inMinutes(since) ?? 0)),
      [0, 20],
    );
    assert.ok(spans.every(({ since, until }) => until - since < 6 * MINUTE));
  });

  it('proposes nothing if they held for too short a time', () => {
    const [span] = spansOf(calls(0, 1), criteria);
    assert.equal(span?.proposedAt, null);
  });

  it('counts how calls ended, in the second in which they ended, if a criterion needs it', () => {
    const slo = { ...criteria, slo: { p95: 1_000 }, window: 5 * MINUTE, require: [['slo']] } as const;
    const took = (durationMs: number) =>
      calls(0, 10).map((call) => {
        const end = { outcome: 'ok' as const, durationMs };
        return { ...call, ended: { ...end, atMs: call.atMs + durationMs } };
      });
    const [span, ...more] = spansOf(took(30_000), slo);
    assert.deepEqual(more, []);
    // The hundredth answer ends 129 s after the first call, and is known at the end of that second.
    assert.equal(span?.since, START + 130_000);
    assert.ok(Math.abs((span?.peak.served?.p95 ?? 0) / 30_000 - 1) <= 0.015);
    assert.deepEqual(spansOf(took(900), slo), []);
    assert.deepEqual(spansOf(calls(0, 10), slo), []);
  });

  it('computes the costs of each second if costs are a criterion', () => {
    const cheaper = { ...criteria, cost: { cheaperBy: 0.2 }, require: [['cost']] } as const;
    const costsOf = ({ calls: n }: { calls: number }) => ({
      serverlessPerHourMicros: n * 100,
      dedicatedPerHourMicros: 2_400,
    });
    const [span] = spansOf(calls(0, 5), cheaper, costsOf);
    assert.equal(inMinutes(span?.since ?? null), 31 / 60);
    assert.deepEqual(spansOf(calls(0, 5), cheaper), []);
  });

  it('finds nothing if they never held, or if there were no calls', () => {
    assert.deepEqual(spansOf(calls(0, 10), { ...criteria, agents: 50 }), []);
    assert.deepEqual(spansOf([], criteria), []);
  });

  it('says which criterion alone was missing, by how much, and for how long', () => {
    const { near } = backtest(calls(0, 10), { ...criteria, agents: 50 });
    assert.ok(near !== null);
    // The other criteria are met after 31 s, and until the calls of the last minute have left the window.
    assert.deepEqual([near.figure, near.peak, near.limit], ['agents', 10, 50]);
    assert.ok(near.heldMs >= 569_000 && near.heldMs <= 600_000, `${near.heldMs}`);
    assert.match(nearMissText(near), /^agents peaked at 10 of 50; the others held for (?:9|10) min$/);
  });

  it('names none if two were missing at any time, or if they held', () => {
    assert.equal(backtest(calls(0, 10), { ...criteria, agents: 50, calls: 500 }).near, null);
    assert.equal(backtest([], criteria).near, null);
  });
});
