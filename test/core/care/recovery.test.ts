import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Recovery } from '../../../src/core/care/recovery.ts';

/** How many calls go out together in each round, if each answer of a round begins before the next round. */
function rounds(before: number, count: number): number[] {
  const recovery = new Recovery();
  recovery.begin(before, 180_000);
  return Array.from({ length: count }, () => {
    let inFlight = 0;
    while (inFlight < 1_000 && recovery.hasRoom(inFlight, () => 0)) inFlight++;
    for (let n = 0; n < inFlight; n++) recovery.answered();
    return inFlight;
  });
}

describe('the return of an upstream', () => {
  it('doubles the calls at once with each round of answers, until there are as many as before', () => {
    assert.deepEqual(rounds(60, 6), [6, 12, 24, 48, 1_000, 1_000]);
    assert.deepEqual(rounds(20, 4), [4, 8, 16, 1_000]);
  });

  it('needs no steps if few calls were under way', () => {
    assert.deepEqual(rounds(4, 1), [1_000]);
    assert.deepEqual(rounds(0, 1), [1_000]);
  });

  it('lets at least four calls go, and never more than twice those that were answered and the first ones', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(300), (before, answers) => {
        const recovery = new Recovery();
        recovery.begin(before, 180_000);
        for (let n = 0; n < answers; n++) recovery.answered();
        assert.ok(recovery.hasRoom(3, () => 0));
        const most = Math.max(4, Math.floor(before / 10)) + answers;
        if (!recovery.isOver(0)) assert.ok(!recovery.hasRoom(most, () => 0));
        else assert.ok(most >= before);
      }),
    );
  });

  it('ends at its time, however few answers there were', () => {
    const recovery = new Recovery();
    recovery.begin(100, 1_000);
    assert.ok(!recovery.isOver(999));
    assert.ok(recovery.isOver(1_000));
    assert.ok(recovery.hasRoom(1_000_000, () => 1_000));
  });
});
