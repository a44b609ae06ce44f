import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dayOf, monthOf } from '../../../src/core/money/calendar.ts';

test('days and months are those of UTC, as the platform has them', () => {
  const times = fc.integer({ min: Date.UTC(1970, 0), max: Date.UTC(2400, 0) });
  fc.assert(
    fc.property(times, (at) => {
      const date = new Date(at);
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
      assert.equal(dayOf(at), date.toISOString().slice(0, 10));
      assert.deepEqual(monthOf(at), {
        name: date.toISOString().slice(0, 7),
        from: Date.UTC(year, month),
        until: Date.UTC(year, month + 1),
      });
    }),
  );
});
