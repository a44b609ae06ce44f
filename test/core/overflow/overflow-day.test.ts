import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasOverflowed, OverflowDay } from '../../../src/core/overflow/overflow-day.ts';

const DAY_MS = 86_400_000;
const NOW = 20_000 * DAY_MS + 1_000;

describe('a day of overflow', () => {
  it('ends when its calls have cost what they may, and begins again at midnight', () => {
    const policy = { enabled: true, maxPerDay: 0.01 };
    const day = new OverflowDay();
    for (let calls = 0; calls < 10; calls++) {
      assert.equal(day.mayGoOn(policy, 1_000, NOW), true, `after ${calls} calls of $0.001`);
      day.count(NOW);
    }
    assert.equal(day.mayGoOn(policy, 1_000, NOW), false);
    assert.equal(day.mayGoOn(policy, 1_000, NOW + DAY_MS), true);
    assert.equal(day.mayGoOn(policy, null, NOW), true, 'no price, no limit');
    assert.equal(day.mayGoOn({ enabled: true, maxPerDay: null }, 1_000, NOW), true);
    assert.equal(day.mayGoOn({ enabled: false, maxPerDay: null }, null, NOW), false);
  });

  it('counts the calls of its day alone, in whatever order they are reported', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 })), (days) => {
        const day = new OverflowDay();
        for (const one of days) day.count(NOW + one * DAY_MS);
        const last = Math.max(0, ...days);
        assert.equal(day.callsAt(NOW + last * DAY_MS), days.filter((one) => one === last).length);
      }),
    );
  });

  it('has the calls that serverless served because the endpoint was full', () => {
    const calls = [
      { isOverflow: true, outcome: 'ok', servedBy: 'serverless' },
      { isOverflow: true, outcome: 'ok', servedBy: 'dedicated' },
      { outcome: 'saturated', servedBy: 'serverless' },
      { outcome: 'saturated', servedBy: 'dedicated' },
      { outcome: 'saturated', servedBy: null },
      { outcome: 'server_error', servedBy: 'serverless' },
    ] as const;
    assert.deepEqual(calls.map(hasOverflowed), [true, false, true, false, false, false]);
  });
});
