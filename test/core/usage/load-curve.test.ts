import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LoadCurve } from '../../../src/core/usage/load-curve.ts';
import type { LoadCall } from '../../../src/core/usage/load-curve.ts';

function call(arrivedAtMs: number, tookMs: number, more: Partial<LoadCall> = {}): LoadCall {
  return { arrivedAtMs, endedAtMs: arrivedAtMs + tookMs, isRefused: false, isRepeat: false, ...more };
}

const CALLS = fc.array(
  fc.record({ at: fc.nat(1_000), took: fc.nat(200) }).map(({ at, took }) => call(at, took)),
  { maxLength: 80 },
);

/** The most calls at once. A call that ends as another arrives has left its place. */
function mostAtOnce(calls: readonly LoadCall[]): number {
  const at = calls.map(
    ({ arrivedAtMs: now }) => calls.filter((one) => one.arrivedAtMs <= now && one.endedAtMs > now).length,
  );
  return Math.max(0, ...at);
}

/** Plays the calls in the plainest way. */
function played(calls: readonly LoadCall[], places: number): number {
  let taken: LoadCall[] = [];
  let overflowing = 0;
  for (const one of calls.toSorted((a, b) => a.arrivedAtMs - b.arrivedAtMs)) {
    taken = taken.filter(({ endedAtMs }) => endedAtMs > one.arrivedAtMs);
    if (taken.length < places) taken.push(one);
    else overflowing++;
  }
  return overflowing;
}

test('as many calls overflow as find every place taken', () => {
  fc.assert(
    fc.property(CALLS, fc.nat(20), (calls, places) => {
      assert.equal(new LoadCurve(calls, 1_000).overflow(places), played(calls, places));
    }),
  );
});

test('more places never let more calls overflow, none lets all, and enough lets none', () => {
  fc.assert(
    fc.property(CALLS, fc.nat(20), fc.nat(20), (calls, a, b) => {
      const load = new LoadCurve(calls, 1_000);
      assert.ok(load.overflow(Math.max(a, b)) <= load.overflow(Math.min(a, b)));
      assert.equal(load.overflow(0), calls.length);
      assert.equal(load.overflow(mostAtOnce(calls) + 1), 0);
    }),
  );
});

test('a call that goes elsewhere takes no place, not even once one is free', () => {
  const load = new LoadCurve([call(0, 10), call(1, 100), call(10, 10), call(30, 10)], 1_000);
  assert.equal(load.overflow(1), 1);
});

test('a refused call counts as one of mean length, and a repeat not at all', () => {
  const calls = [
    call(0, 100),
    call(10, 1, { isRefused: true }),
    call(11, 100, { isRepeat: true }),
    call(105, 100),
    call(109, 100),
  ];
  const load = new LoadCurve(calls, 1_000);
  assert.equal(load.calls, 4);
  // The refused one is in flight until 110, so the last call finds both places taken.
  assert.equal(load.overflow(2), 1);
});
