import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InFlightLimit } from '../../../src/core/care/in-flight.ts';

/** So many calls at a time, `crowd` in flight, of which some are sent away. */
function play(
  limit: InFlightLimit,
  { calls, crowd, isAway }: { calls: number; crowd: number; isAway: (n: number) => boolean },
) {
  for (let n = 0; n < calls; n++) {
    if (isAway(n)) limit.overloaded(crowd, n * 100);
    else limit.answered(true);
  }
}

describe('a limit of calls in flight', () => {
  it('is not set before the first overload', () => {
    const limit = new InFlightLimit();
    limit.inFlight = 10_000;
    assert.ok(limit.hasRoom);
  });

  it('falls if many calls are refused while others are answered, and rises with answers', () => {
    const limit = new InFlightLimit();
    play(limit, { calls: 100, crowd: 100, isAway: (n) => n % 2 === 0 });
    const { most } = limit.learned;
    assert.ok(most !== null && most < 50, `${most}`);
    play(limit, { calls: 1_000, crowd: 100, isAway: () => false });
    assert.ok((limit.learned.most ?? 0) > most);
  });

  it('does not fall if an upstream refuses one of a hundred calls, even with many in flight', () => {
    const limit = new InFlightLimit();
    play(limit, { calls: 10_000, crowd: 100, isAway: (n) => n % 100 === 0 });
    assert.equal(limit.learned.most, null);
  });
});
