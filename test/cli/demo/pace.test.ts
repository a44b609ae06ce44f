import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { chooseScale, measureLateness, paceText } from '../../../src/cli/demo/pace.ts';

test('a machine that is later never gets a faster clock, and each scale is one that the demo is made for', () => {
  const late = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(late, late, (one, other) => {
      const [early, later] = [Math.min(one, other), Math.max(one, other)];
      assert.ok(chooseScale(later) <= chooseScale(early));
      assert.ok(chooseScale(one) >= 24 && chooseScale(one) <= 32);
      assert.equal(chooseScale(one) % 1, 0);
    }),
  );
});

test('the scale follows from how late short work is done', () => {
  const table = [
    [0, 32],
    [6, 32],
    [7, 29],
    [8, 25],
    [500, 24],
  ] as const;
  for (const [lateMs, scale] of table) assert.equal(chooseScale(lateMs), scale, `${lateMs} ms`);
  assert.match(paceText(6, 32), /up to 6\.0 ms late, .* 32 times faster/);
});

test('the measurement ends with a time, however busy the machine is', async () => {
  const lateMs = await measureLateness();
  assert.ok(lateMs > 0 && Number.isFinite(lateMs), String(lateMs));
});
