import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { expectedRefused, TrafficHistory, payingTraffic } from '../../../src/core/worth/traffic-history.ts';
import { START } from '../../support/samples.ts';

const MINUTE = 60_000;
const BEGIN = Math.ceil(START / MINUTE) * MINUTE;

/** A history with these counts of calls, one for each minute, after the last minute has ended. */
function historyOf(counts: readonly number[], knownSinceMs = BEGIN): TrafficHistory {
  const history = new TrafficHistory(knownSinceMs);
  counts.forEach((calls, i) => history.arrived(BEGIN + (i + 0.5) * MINUTE, calls));
  return history;
}

const endOf = (counts: readonly number[]) => BEGIN + counts.length * MINUTE;

describe('TrafficHistory', () => {
  it('has no figures before five whole minutes are known, and does not count the current minute', () => {
    const counts = [1, 2, 3, 4, 5];
    assert.equal(historyOf(counts).figures(endOf(counts) - 1, 100), null);
    assert.equal(historyOf(counts).figures(endOf(counts), 100)?.calls, 15);
    assert.equal(historyOf([...counts, 1_000]).figures(endOf(counts) + 30_000, 100)?.calls, 15);
  });

  it('has the figures of its windows of five minutes, and since when all were below a limit', () => {
    const minutes = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 5, maxLength: 1_600 });
    fc.assert(
      fc.property(minutes, fc.integer({ min: 1, max: 200 }), (counts, limit) => {
        const figures = historyOf(counts).figures(endOf(counts), limit);
        // The windows that are completely in the last day.
        const first = Math.max(0, counts.length - 1_449);
        const windows: { end: number; calls: number }[] = [];
        for (let end = first + 5; end <= counts.length; end++) {
          windows.push({ end, calls: counts.slice(end - 5, end).reduce((sum, calls) => sum + calls, 0) });
        }
        const sorted = windows.map(({ calls }) => calls).sort((a, b) => a - b);
        const lastHigh = windows.findLast(({ calls }) => calls >= limit);
        const firstLow = windows.find(({ end }) => end > (lastHigh?.end ?? 0));
        assert.equal(figures?.calls, windows.at(-1)?.calls);
        assert.equal(figures?.p95, sorted[Math.ceil(sorted.length * 0.95) - 1]);
        assert.equal(figures?.belowSince, firstLow === undefined ? null : BEGIN + firstLow.end * MINUTE);
      }),
      { numRuns: 200 },
    );
  });

  it('does not count minutes with unknown calls as low traffic', () => {
    const counts = Array.from({ length: 30 }, () => 1);
    const history = historyOf(counts);
    assert.equal(history.figures(endOf(counts), 10)?.belowSince, BEGIN + 5 * MINUTE);
    history.interrupt(endOf(counts) + 30_000);
    assert.equal(history.figures(endOf(counts) + 5 * MINUTE, 10), null);
    const since = endOf(counts) + 6 * MINUTE;
    assert.equal(history.figures(since, 10)?.belowSince, since);
    // Calls may have been reported in minutes that are not completely known.
    assert.equal(historyOf(counts, endOf(counts) - 2 * MINUTE).figures(endOf(counts), 10), null);
  });

  it('counts a late call in its own minute, and forgets what is older than a day', () => {
    const counts = [10, 10, 10, 10, 10];
    const history = historyOf(counts);
    history.arrived(BEGIN, 7);
    assert.equal(history.figures(endOf(counts), null)?.calls, 57);
    const later = BEGIN + 2 * 86_400_000;
    history.arrived(BEGIN, 1_000);
    assert.deepEqual(history.figures(later, 1)?.p95, 0);
    history.arrived(BEGIN, 1_000);
    assert.equal(history.figures(later, 1)?.p95, 0);
  });

  it('is not below a limit if there is none', () => {
    const counts = [0, 0, 0, 0, 0, 0];
    assert.equal(historyOf(counts).figures(endOf(counts), null)?.belowSince, null);
  });
});

describe('payingTraffic', () => {
  const costs = { serverlessPerHourMicros: 1, dedicatedPerHourMicros: 2, breakEvenCallsPerMinute: 100 };

  it('is a share of the break-even traffic, else the policy’s calls, else unknown', () => {
    assert.equal(payingTraffic({ below: 0.8, calls: 7 }, costs), 400);
    assert.equal(payingTraffic({ below: 0.8, calls: 7 }, null), 7);
    assert.equal(payingTraffic({ below: null, calls: 7 }, costs), 7);
    assert.equal(payingTraffic({ below: 0.8, calls: null }, null), null);
  });
});

describe('expectedRefused', () => {
  it('is the share of the traffic beyond the limit, and unknown if the limit is', () => {
    assert.equal(expectedRefused(300, null), null);
    assert.equal(expectedRefused(0, 0), 0);
    assert.equal(expectedRefused(300, 300), 0);
    assert.equal(expectedRefused(400, 300), 0.25);
  });

  it('grows with the traffic and shrinks with the limit, from 0 to 1', () => {
    const number = fc.integer({ min: 0, max: 100_000 });
    fc.assert(
      fc.property(number, number, number, (traffic, more, limit) => {
        const [low, high] = [expectedRefused(traffic, limit), expectedRefused(traffic + more, limit)] as [
          number,
          number,
        ];
        assert.ok(0 <= low && low <= high && high <= 1);
        assert.ok((expectedRefused(traffic, limit + more) as number) <= low);
      }),
    );
  });
});
