import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { createClock } from '../../src/files/clock.ts';

/** A wall clock and a steady count that the test moves. */
function handMoved(wall: number) {
  const time = { wall, steady: 1_000 };
  const pass = (ms: number) => {
    time.wall += ms;
    time.steady += ms;
  };
  return { time, pass, source: { wall: () => time.wall, steady: () => time.steady } };
}

describe('the clock', () => {
  it('gives epoch milliseconds with a fraction', () => {
    const clock = createClock({ scale: 1, start: 0 });
    assert.ok(Math.abs(clock.now() - Date.now()) < 200);
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) seen.add(clock.now());
    assert.ok(seen.size > 100, 'it does not stand still within a millisecond');
  });

  it('runs faster by its scale, counted from the shared start', () => {
    const { pass, source } = handMoved(10_000);
    const clock = createClock({ scale: 60, start: 9_000 }, source);
    assert.equal(clock.now(), 9_000 + 1_000 * 60);
    pass(500);
    assert.equal(clock.now(), 9_000 + 1_500 * 60);
    assert.equal(createClock({ scale: 60, start: 9_000 }, source).now(), clock.now());
  });

  it('follows the wall clock if it jumps ahead, but not its small steps', () => {
    const { time, pass, source } = handMoved(10_000);
    const clock = createClock({ scale: 1, start: 0 }, source);
    time.wall += 90;
    assert.equal(clock.now(), 10_000);
    time.wall += 3_600_000;
    assert.equal(clock.now(), 10_090 + 3_600_000);
    pass(5);
    assert.equal(clock.now(), 10_095 + 3_600_000);
  });

  it('slows down if the wall clock jumps back, until the wall clock has caught up', () => {
    const { time, pass, source } = handMoved(100_000);
    const clock = createClock({ scale: 1, start: 0 }, source);
    assert.equal(clock.now(), 100_000);
    time.wall -= 1_000;
    pass(500);
    assert.equal(clock.now(), 100_250);
    pass(2_500);
    assert.equal(clock.now(), time.wall);
    assert.equal(time.wall, 102_000);
  });

  it('never goes back, whatever the wall clock does', () => {
    const moves = fc.array(fc.tuple(fc.integer({ min: -1e7, max: 1e7 }), fc.double({ min: 0, max: 1e5, noNaN: true })));
    fc.assert(
      fc.property(moves, (list) => {
        const { time, pass, source } = handMoved(1e12);
        const clock = createClock({ scale: 1, start: 0 }, source);
        let before = clock.now();
        for (const [leap, ms] of list) {
          time.wall += leap;
          pass(ms);
          const now = clock.now();
          assert.ok(now >= before);
          before = now;
        }
      }),
    );
  });
});

describe('sleeping', () => {
  it('takes clock time, not real time', async () => {
    const clock = createClock({ scale: 10_000, start: Date.now() });
    const before = clock.now();
    const began = performance.now();
    await clock.sleep(60_000);
    assert.ok(clock.now() - before >= 50_000);
    assert.ok(performance.now() - began < 5_000);
  });

  it('ends with the reason of its signal, and leaves no listener behind', async () => {
    const clock = createClock({ scale: 1, start: 0 });
    const controller = new AbortController();
    await clock.sleep(1, controller.signal);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    const sleeping = clock.sleep(1e12, controller.signal);
    const reason = new Error('closing');
    controller.abort(reason);
    await assert.rejects(sleeping, reason);
    await assert.rejects(clock.sleep(0, controller.signal), reason);
  });
});
