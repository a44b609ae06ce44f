import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { officeHours } from '../../bench/week/load.ts';
import type { WeekResult } from '../../bench/week/report.ts';
import { brokenPromises, weekText } from '../../bench/week/report.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RATES = { day: 42, night: 1 };

describe('a week of office hours', () => {
  const week = officeHours(7, RATES, 1);
  const between = (from: number, to: number) => week.filter(({ atMs }) => atMs >= from && atMs < to).length;

  it('is in order, and the same for the same seed', () => {
    assert.deepEqual(officeHours(7, RATES, 1), week);
    assert.notDeepEqual(officeHours(7, RATES, 2).slice(0, 9), week.slice(0, 9));
    assert.ok(week.every(({ atMs }, i) => i === 0 || atMs >= (week[i - 1]?.atMs ?? 0)));
  });

  it('has as many calls as its rates say, by day, at night and on the weekend', () => {
    const near = (calls: number, expected: number) => Math.abs(calls - expected) < 5 * Math.sqrt(expected);
    for (const day of [0, 1, 2, 3, 4]) {
      assert.ok(near(between(day * DAY_MS + 9 * HOUR_MS, day * DAY_MS + 12 * HOUR_MS), 3 * 60 * 42));
      assert.ok(near(between(day * DAY_MS, day * DAY_MS + 8 * HOUR_MS), 8 * 60));
    }
    assert.ok(near(between(5 * DAY_MS, 7 * DAY_MS), 48 * 60));
  });
});

describe('a week is told', () => {
  const hours = Array.from({ length: 24 }, (_, hour) => ({ calls: hour * 100, share: hour < 9 ? null : 1 }));
  const day = { day: '2026-11-30', calls: 12_345, serverlessMicros: 3_540_000, dedicatedMicros: 8_240_000, hours };
  const good: WeekResult = {
    days: [{ ...day, up: 1, down: 1 }],
    calls: 12_345,
    clientFailures: 0,
    dedicatedMicros: 8_240_000,
    meterMicros: 8_240_000,
    runningMicros: 0,
    serverlessMicros: 3_540_000,
    allServerlessMicros: 13_820_000,
    allDedicatedMicros: 19_200_000,
    rollouts: [],
  };

  it('within 80 columns, against either side alone', () => {
    const lines = weekText(good).split('\n');
    assert.ok(lines.every((line) => line.length <= 80));
    assert.ok(lines.includes('always serverless: $13.82 (upshift -15 %)'));
    assert.ok(lines.includes('always dedicated: $19.20 (upshift -39 %)'));
  });

  it('with each promise that was not kept', () => {
    const one = { ...day, up: 0, down: 0 };
    for (const [change, told] of [
      [{}, []],
      [{ clientFailures: 2 }, ['2 calls failed']],
      [{ days: [{ ...day, up: 2, down: 1 }] }, ['2026-11-30: 3 migrations']],
      [{ days: [one] }, ['it never went up', 'it never came back down']],
      [{ meterMicros: 8_250_000 }, ['books $8.24, meter $8.25']],
      [{ meterMicros: 8_250_000, runningMicros: 40_000 }, []],
    ] as const) {
      assert.deepEqual(brokenPromises({ ...good, ...change }), told);
    }
  });
});
