import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Seconds } from '../../../src/core/care/last-seconds.ts';

it('a steady rate is measured exactly, over as many seconds as are kept', () => {
  const [length, perSecond] = [30, 10];
  const seconds = new Seconds(length);
  for (let n = 0; n < 100 * perSecond; n++) {
    const atMs = (n * 1_000) / perSecond;
    seconds.advance(atMs);
    seconds.taken(atMs, 1);
  }
  const { taken, perSecond: measured } = seconds.takenInComplete(99_900);
  assert.deepEqual({ taken, measured }, { taken: length * perSecond, measured: perSecond });
});
