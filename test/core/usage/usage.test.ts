import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { UsageContext } from '../../../src/core/usage/usage.ts';
import { usageOf } from '../../../src/core/usage/usage.ts';
import { daysOf, fullest, secondsOf, timelineOf } from '../../../src/core/usage/demand.ts';
import { inFlightOf } from '../../../src/core/usage/flight.ts';
import type { UsageCall } from '../../../src/core/usage/log.ts';
import { UsageLog } from '../../../src/core/usage/log.ts';
import { spreadsOf, spreadWithin } from '../../../src/core/usage/smoothing.ts';

const HOUR = 3_600_000;
/** Monday 2026-11-23 00:00Z. */
const MONDAY = Date.UTC(2026, 10, 23);
const WINDOW = 300_000;

function logOf(calls: readonly UsageCall[]): UsageLog {
  const log = new UsageLog();
  for (const call of calls) log.add(call);
  return log;
}

function call(arrivedAtMs: number, changes: Partial<UsageCall> = {}): UsageCall {
  const rest = { agent: 1, isRefused: false, isRepeat: false, isDedicated: false, tokens: 10 };
  return { arrivedAtMs, endedAtMs: arrivedAtMs + 2_000, ...rest, ...changes };
}

/** In UTC. */
function momentOf(atMs: number) {
  const at = new Date(atMs);
  return { date: at.toISOString().slice(0, 10), weekday: (at.getUTCDay() + 6) % 7, hour: at.getUTCHours() };
}

function context(changes: Partial<UsageContext> = {}): UsageContext {
  return {
    model: 'acme/writer',
    sinceMs: MONDAY,
    untilMs: MONDAY + 24 * HOUR,
    windowMs: WINDOW,
    limit: { calls: 100, source: 'learned' },
    criteria: { calls: 100, refused: 0.05 },
    perReplica: null,
    momentOf,
    agentName: (agent) => `agent-${agent}`,
    ...changes,
  };
}

const calls: fc.Arbitrary<UsageCall[]> = fc.array(
  fc
    .record({
      at: fc.oneof(fc.nat(4 * HOUR), fc.nat(120_000), fc.integer({ min: -HOUR, max: 5 * HOUR })),
      took: fc.nat(90_000),
      agent: fc.nat(6),
      isRefused: fc.boolean(),
      isRepeat: fc.boolean(),
      isDedicated: fc.boolean(),
      tokens: fc.nat(500),
    })
    .map(({ at, took, ...rest }) => ({ arrivedAtMs: MONDAY + at, endedAtMs: MONDAY + at + took, ...rest })),
  { maxLength: 150 },
);
const SPAN = { fromMs: MONDAY, untilMs: MONDAY + 4 * HOUR, windowMs: WINDOW };

describe('demand, second by second', () => {
  const isIn = ({ arrivedAtMs, isRepeat }: UsageCall) =>
    !isRepeat && arrivedAtMs >= SPAN.fromMs && arrivedAtMs < SPAN.untilMs;

  it('agrees with a recount of the calls in each window', () => {
    fc.assert(
      fc.property(calls, fc.nat(4 * 3_600 - 1), (all, second) => {
        const { held, calls: arrived, refused } = secondsOf(logOf(all), SPAN);
        const end = MONDAY + (second + 1) * 1_000;
        const inWindow = all.filter((one) => isIn(one) && one.arrivedAtMs < end && one.arrivedAtMs >= end - WINDOW);
        assert.equal(held[second], inWindow.length);
        const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
        assert.equal(sum(arrived), all.filter(isIn).length);
        assert.equal(sum(refused), all.filter((one) => isIn(one) && one.isRefused).length);
      }),
    );
  });

  it('has fullest windows that do not overlap, the fullest first', () => {
    fc.assert(
      fc.property(calls, (all) => {
        const demand = secondsOf(logOf(all), SPAN);
        const ends = fullest(demand, 5);
        const counts = ends.map((end) => demand.held[end] as number);
        assert.equal(counts[0] ?? 0, Math.max(...demand.held));
        assert.deepEqual(
          counts,
          [...counts].sort((a, b) => b - a),
        );
        for (const [i, end] of ends.entries()) {
          assert.ok(ends.every((other, j) => i === j || Math.abs(other - end) >= 300));
        }
      }),
    );
  });

  it('is divided into days and hours without losing a call or a peak', () => {
    fc.assert(
      fc.property(calls, fc.integer({ min: -48, max: 48 }), (all, quarters) => {
        const demand = secondsOf(logOf(all), SPAN);
        const days = daysOf(demand, (atMs) => momentOf(atMs + quarters * 900_000));
        assert.equal(
          days.reduce((sum, day) => sum + day.calls, 0),
          all.filter(isIn).length,
        );
        const peak = Math.max(...demand.held);
        assert.equal(Math.max(...days.map((day) => day.fullest)), peak);
        assert.equal(Math.max(...days.flatMap(({ hours }) => hours.map((held) => held ?? 0))), peak);
        assert.equal(Math.max(...timelineOf(demand, 60)), peak);
      }),
    );
  });

  it('has no figure for hours outside the span', () => {
    const demand = secondsOf(logOf([call(MONDAY + 1)]), { ...SPAN, fromMs: MONDAY + 2.5 * HOUR });
    const [day] = daysOf(demand, momentOf);
    assert.deepEqual(day?.hours.slice(0, 6), [null, null, 0, 0, null, null]);
  });
});

describe('calls in flight', () => {
  it('agree with a recount at every moment at which a call begins or ends', () => {
    fc.assert(
      fc.property(calls, (all) => {
        const found = inFlightOf(
          Float64Array.from(all, ({ arrivedAtMs }) => arrivedAtMs),
          Float64Array.from(all, ({ endedAtMs }) => endedAtMs),
          SPAN,
        );
        const moments = new Set([SPAN.fromMs, SPAN.untilMs]);
        for (const { arrivedAtMs, endedAtMs } of all) {
          for (const at of [arrivedAtMs, endedAtMs]) if (at > SPAN.fromMs && at < SPAN.untilMs) moments.add(at);
        }
        const sorted = [...moments].sort((a, b) => a - b);
        const parts = sorted.slice(1).map((until, i) => {
          const from = sorted[i] as number;
          const level = all.filter(({ arrivedAtMs, endedAtMs }) => arrivedAtMs <= from && endedAtMs >= until).length;
          return { level, ms: until - from };
        });
        const all4 = SPAN.untilMs - SPAN.fromMs;
        assert.equal(found.peak, Math.max(...parts.map(({ level }) => level)));
        const mean = parts.reduce((sum, { level, ms }) => sum + level * ms, 0) / all4;
        assert.ok(Math.abs(found.mean - mean) < 1e-9);
        const share = (most: number) =>
          parts.filter(({ level }) => level <= most).reduce((sum, { ms }) => sum + ms, 0) / all4;
        assert.ok(share(found.p95) >= 0.95 - 1e-9);
        assert.ok(found.p95 === 0 || share(found.p95 - 1) < 0.95);
      }),
    );
  });
});

describe('spreading', () => {
  it('over a multiple of the window never gives a fuller window than before', () => {
    fc.assert(
      fc.property(calls, (all) => {
        const demand = secondsOf(logOf(all), SPAN);
        const peak = Math.max(...demand.held);
        for (const { fullest: most } of spreadsOf(demand)) assert.ok(most <= peak + 1e-9);
      }),
    );
  });

  it('of a burst needs a span in proportion to the size of the burst', () => {
    // 600 calls within a minute: 100 in five minutes once they are spread over half an hour.
    const burst = Array.from({ length: 600 }, (_, i) => call(MONDAY + HOUR + i * 100));
    const spreads = spreadsOf(secondsOf(logOf(burst), SPAN));
    assert.deepEqual(spreadWithin(spreads, 100), { overMs: HOUR / 2, fullest: 100 });
    assert.deepEqual(spreadWithin(spreads, 99), { overMs: (HOUR * 3) / 4, fullest: 600 / 9 });
    assert.equal(spreadWithin(spreads, 1), null);
  });
});

describe('usage', () => {
  /**
   * Nine agents make one call a minute all day. From noon the tenth makes 300 in five minutes; half of them are
   * refused.
   */
  const day = [
    ...Array.from({ length: 24 * 60 }, (_, i) => call(MONDAY + i * 60_000, { agent: i % 9 })),
    ...Array.from({ length: 300 }, (_, i) =>
      call(MONDAY + 12 * HOUR + i * 1_000, { agent: 9, isRefused: i % 2 === 0 }),
    ),
  ];

  it('says when a peak was, which agents made it and how much was refused', () => {
    const usage = usageOf(logOf(day), context());
    const [peak, second] = usage.peaks;
    assert.deepEqual([peak?.calls, peak?.fromMs], [305, MONDAY + 12 * HOUR]);
    assert.deepEqual(peak?.busiest[0], { agent: 'agent-9', share: 300 / 305 });
    assert.ok(Math.abs((peak?.refusedShare ?? 0) - 150 / 305) < 1e-9);
    assert.equal(second?.calls, 5);
    const [first] = usage.busiest;
    assert.deepEqual([first?.agent, first?.calls, first?.refused, first?.tokens], ['agent-9', 300, 150, 3_000]);
    assert.deepEqual([usage.calls, usage.agents, usage.refused], [1_740, 10, 150]);
    assert.equal(usage.mean, 1_740 / (24 * 12));
  });

  it('counts a repeat as a call in flight, and not as demand', () => {
    const repeated = day.map((one) => ({ ...one, arrivedAtMs: one.arrivedAtMs + 10, isRepeat: true }));
    const [once, twice] = [usageOf(logOf(day), context()), usageOf(logOf([...day, ...repeated]), context())];
    assert.deepEqual([twice.calls, twice.peak, twice.refused], [once.calls, once.peak, once.refused]);
    assert.ok(twice.inFlight.all.mean > 1.9 * once.inFlight.all.mean);
  });

  it('begins with the first call if that is later than the span', () => {
    const usage = usageOf(logOf(day.slice(-300)), context());
    assert.equal(usage.fromMs, MONDAY + 12 * HOUR);
    assert.deepEqual([usage.days[0]?.hours[11], usage.days[0]?.hours[12]], [null, 300]);
  });

  it('has the concurrency of each kind of upstream, and of both together', () => {
    const half = day.map((one, i) => ({ ...one, isDedicated: i % 2 === 0 }));
    const { all, serverless, dedicated } = usageOf(logOf(half), context()).inFlight;
    assert.ok(Math.abs(serverless.mean + dedicated.mean - all.mean) < 1e-9);
    assert.ok(all.peak >= Math.max(serverless.peak, dedicated.peak));
  });

  it('has as many replicas as its concurrency needs', () => {
    const { inFlight, replicas } = usageOf(logOf(day), context({ perReplica: 2 }));
    assert.deepEqual([inFlight.all.peak, replicas], [3, { perReplica: 2, peak: 2, p95: 1, mean: 1 }]);
    assert.equal(usageOf(logOf(day), context()).replicas, null);
  });

  it('counts tokens in the minute in which calls end', () => {
    const { mean, peak, peakAt } = usageOf(logOf(day), context()).tokensPerMinute;
    assert.equal(mean, 17_400 / (24 * 60));
    assert.deepEqual([peak, peakAt], [610, MONDAY + 12 * HOUR + 60_000]);
  });
});
