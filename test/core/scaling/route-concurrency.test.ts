import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { DayShape } from '../../../src/core/scaling/day-shape.ts';
import type { ConcurrencyCall } from '../../../src/core/scaling/route-concurrency.ts';
import { CELL_MS, RouteConcurrency } from '../../../src/core/scaling/route-concurrency.ts';
import { START } from '../../support/samples.ts';

const ALL = { firstToken: true, other: true };
const HOUR = 3_600_000;
const NOBODY = { route: 0, endpoint: 0 };

function call(atMs: number, lastsMs: number, change: Partial<ConcurrencyCall> = {}): ConcurrencyCall {
  const durationUs = lastsMs * 1_000;
  const base = { setOutAtUs: (START + atMs) * 1_000, durationUs, isOnEndpoint: true, outcome: 'ok' as const };
  return { ...base, firstByteUs: durationUs / 4, firstTokenUs: null, outputTokens: 50, ...change };
}

/** Looks every second. */
function watchUntil(concurrency: RouteConcurrency, fromMs: number, untilMs: number, ready: number | null = 1): void {
  for (let at = fromMs; at <= untilMs; at += 1_000) concurrency.sample(START + at, NOBODY, ready);
}

describe('calls at once', () => {
  it('are the time that calls took in each ten seconds, divided by ten seconds', () => {
    const calls = fc.array(
      fc.record({ at: fc.integer({ min: 0, max: 290_000 }), lasts: fc.integer({ min: 1, max: 120_000 }) }),
      { minLength: 1, maxLength: 80 },
    );
    fc.assert(
      fc.property(calls, (all) => {
        const concurrency = new RouteConcurrency(ALL);
        concurrency.sample(START, NOBODY, null);
        for (const { at, lasts } of all) concurrency.ended(call(at, lasts));
        const seen = concurrency.figures(START + 300_000, START);
        const cells = Array.from({ length: 30 }, (_, i) => {
          const [from, until] = [i * CELL_MS, (i + 1) * CELL_MS];
          const busy = all.map(({ at, lasts }) => Math.max(0, Math.min(until, at + lasts) - Math.max(from, at)));
          return busy.reduce((sum, ms) => sum + ms, 0) / CELL_MS;
        });
        const mean = cells.reduce((sum, value) => sum + value, 0) / 30;
        assert.ok(Math.abs(seen.endpoint.mean - mean) < 0.01, `${seen.endpoint.mean} is not ${mean}`);
        assert.ok(Math.abs(seen.endpoint.peak - Math.max(...cells)) < 0.01);
        assert.ok(seen.endpoint.p95 <= seen.endpoint.peak && seen.endpoint.p95 >= 0);
        assert.deepEqual(seen.endpoint, seen.route);
      }),
      { numRuns: 60 },
    );
  });

  it('are the sampled calls in flight if calls have not ended yet', () => {
    const concurrency = new RouteConcurrency(ALL);
    for (let at = 0; at < 60_000; at += 1_000) concurrency.sample(START + at, { route: 30, endpoint: 20 }, 1);
    const { route, endpoint } = concurrency.figures(START + 60_000, START);
    assert.deepEqual([route.mean, endpoint.mean], [30, 20]);
  });

  it('cover the step for the endpoint and ten minutes for the route', () => {
    const concurrency = new RouteConcurrency(ALL);
    concurrency.sample(START, NOBODY, 1);
    for (let at = 0; at < 300_000; at += 1_000) concurrency.ended(call(at, 10_000));
    const seen = concurrency.figures(START + 400_000, START + 300_000);
    assert.ok(seen.route.mean > 6 && seen.endpoint.mean < 1.5, JSON.stringify(seen));
  });

  it('are forgotten after ten minutes without a sample', () => {
    const concurrency = new RouteConcurrency(ALL);
    watchUntil(concurrency, 0, 60_000);
    for (let at = 0; at < 60_000; at += 1_000) concurrency.ended(call(at, 5_000));
    concurrency.sample(START + HOUR, NOBODY, 1);
    const seen = concurrency.figures(START + HOUR + CELL_MS, START);
    assert.deepEqual([seen.since, seen.route.mean, seen.recentCalls], [START + HOUR, 0, 0]);
  });

  it('are the same from the rows of the ledger, in the order of their ends, as from live calls', () => {
    const calls = Array.from({ length: 500 }, (_, i) => call(i * 600, 1_000 + ((i * 7_919) % 40_000)));
    const live = new RouteConcurrency(ALL);
    for (const one of calls) live.ended(one);
    const again = new RouteConcurrency(ALL);
    for (const one of calls.toSorted((a, b) => a.setOutAtUs + a.durationUs - b.setOutAtUs - b.durationUs))
      again.ended(one);
    const now = START + 300_000;
    assert.deepEqual(again.figures(now, START).route, live.figures(now, START).route);
    assert.ok(live.figures(now, START).route.mean > 20);
  });
});

describe('the concurrency', () => {
  it('counts the calls of five minutes, those in flight included, and has the time of the newest', () => {
    const concurrency = new RouteConcurrency(ALL);
    concurrency.sample(START, NOBODY, 1);
    assert.equal(concurrency.figures(START, START).lastCallAt, null);
    for (let at = 0; at < 600_000; at += 10_000) concurrency.ended(call(at, 1_000));
    concurrency.sample(START + 600_000, { route: 3, endpoint: 3 }, 1);
    const seen = concurrency.figures(START + 600_000, START);
    assert.deepEqual([seen.recentCalls, seen.lastCallAt], [29 + 3, START + 600_000]);
  });

  it('has the share of a call without a status, and the tokens per second', () => {
    const concurrency = new RouteConcurrency(ALL);
    concurrency.sample(START, NOBODY, 1);
    for (let at = 0; at < 600_000; at += 1_000) concurrency.ended(call(at, 4_000));
    const seen = concurrency.figures(START + 600_000, START);
    assert.ok(Math.abs((seen.pendingShare ?? 0) - 0.25) < 0.01);
    assert.equal(seen.tokensPerSecond, 50);
  });

  it('learns the capacity per ready replica: twice the calls on two replicas is the same capacity', () => {
    const learn = (each: number, ready: number) => {
      const concurrency = new RouteConcurrency(ALL);
      for (let at = 0; at < 200_000; at += 1_000) {
        concurrency.sample(START + at, NOBODY, ready);
        for (let i = 0; i < each; i++) concurrency.ended(call(at, 10_000));
      }
      watchUntil(concurrency, 200_000, 240_000, ready);
      return concurrency.figures(START + 240_000, START).capacity?.carried ?? 0;
    };
    assert.ok(Math.abs(learn(1, 1) - 10) < 0.5, String(learn(1, 1)));
    assert.ok(Math.abs(learn(2, 2) - learn(1, 1)) < 0.01);
  });

  it('learns no capacity while the number of ready replicas is not known', () => {
    const concurrency = new RouteConcurrency(ALL);
    for (let at = 0; at < 200_000; at += 500) {
      concurrency.sample(START + at, NOBODY, null);
      concurrency.ended(call(at, 10_000));
    }
    watchUntil(concurrency, 200_000, 240_000, null);
    assert.equal(concurrency.figures(START + 240_000, START).capacity, null);
  });

  it('forgets what another endpoint carried', () => {
    const concurrency = new RouteConcurrency(ALL);
    concurrency.setEndpoint('first', ALL);
    for (let at = 0; at < 200_000; at += 500) {
      concurrency.sample(START + at, NOBODY, 1);
      concurrency.ended(call(at, 5_000));
    }
    watchUntil(concurrency, 200_000, 240_000);
    const { learned } = concurrency;
    assert.ok(concurrency.figures(START + 240_000, START).capacity !== null);
    const again = new RouteConcurrency(ALL, learned);
    again.setEndpoint('first', ALL);
    assert.deepEqual(again.figures(START, START).capacity, concurrency.figures(START, START).capacity);
    again.setEndpoint('second', ALL);
    assert.equal(again.figures(START, START).capacity, null);
  });
});

describe('the shape of the day', () => {
  const hourOf = (day: DayShape, hour: number) => day.hours.find((each) => each.hour === hour);
  const MIDNIGHT = Math.floor(START / 86_400_000) * 86_400_000;

  /** An hour of one level. */
  function pass(day: DayShape, atMs: number, atOnce: number): void {
    for (let at = atMs; at < atMs + HOUR; at += CELL_MS) day.add(at, atOnce, atOnce * 10);
  }

  it('has an hour, numbered in UTC, once the hour is over', () => {
    const day = new DayShape();
    pass(day, MIDNIGHT + 8 * HOUR, 12);
    assert.deepEqual(day.hours, []);
    day.add(MIDNIGHT + 9 * HOUR, 1, 0);
    assert.deepEqual(day.hours, [{ hour: 8, mean: 12, p95: 12, peak: 12, tokensPerSecond: 12 }]);
  });

  it('counts yesterday half, and lowers a higher peak slowly', () => {
    const day = new DayShape();
    pass(day, MIDNIGHT, 20);
    pass(day, MIDNIGHT + 24 * HOUR, 10);
    pass(day, MIDNIGHT + 25 * HOUR, 0);
    assert.deepEqual([hourOf(day, 0)?.mean, hourOf(day, 0)?.peak], [15, 15]);
  });

  it('has no hour with too few measured cells, and never more than 24 hours', () => {
    const day = new DayShape();
    day.add(MIDNIGHT, 5, 0);
    for (let hour = 1; hour <= 60; hour++) pass(day, MIDNIGHT + hour * HOUR, 1);
    assert.equal(day.hours.length, 24);
    const short = new DayShape();
    short.add(MIDNIGHT, 5, 0);
    short.add(MIDNIGHT + HOUR, 5, 0);
    assert.deepEqual(short.hours, []);
  });
});
