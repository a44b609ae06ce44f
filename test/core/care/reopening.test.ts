import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reopening } from '../../../src/core/care/reopening.ts';

describe('calls that go out again before a limit is known', () => {
  it('go out at ten a second at first, and at twice the pace each second until nothing limits them', () => {
    const reopening = new Reopening();
    assert.equal(reopening.paceAt(0), null);
    reopening.begin(5_000);
    assert.deepEqual(
      [5_000, 6_000, 8_000, 14_000, 15_000].map((nowMs) => reopening.paceAt(nowMs)),
      [10, 20, 80, 5_120, null],
    );
  });
});
