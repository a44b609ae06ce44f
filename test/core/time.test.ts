import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, dayOf, monthOf } from '../../src/core/time.ts';

const times = fc.integer({ min: Date.UTC(1970, 0), max: Date.UTC(2400, 0) });

test('a day lasts from midnight to midnight UTC', () => {
  fc.assert(
    fc.property(times, (at) => {
      const midnight = Math.floor(at / DAY_MS) * DAY_MS;
      assert.equal(Date.parse(dayOf(at)), midnight);
      assert.equal(dayOf(midnight + DAY_MS - 1), dayOf(at));
      assert.notEqual(dayOf(midnight + DAY_MS), dayOf(at));
    }),
  );
});

test('a month contains its time, begins on a first day, and ends when the next month begins', () => {
  fc.assert(
    fc.property(times, (at) => {
      const { name, from, until } = monthOf(at);
      assert.ok(from <= at && at < until);
      assert.equal(dayOf(from), `${name}-01`);
      assert.equal(dayOf(at).slice(0, 7), name);
      assert.equal(monthOf(until).from, until);
      assert.equal(monthOf(until - 1).from, from);
    }),
  );
});
