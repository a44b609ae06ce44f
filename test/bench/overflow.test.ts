import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { peakyDays } from '../../bench/overflow/load.ts';
import { play } from '../../bench/overflow/play.ts';
import type { LoadedCall } from '../../bench/overflow/sides.ts';
import { seededDice } from '../../src/simulation/dice.ts';

/** The first hours of a load, with a peak in them. */
function hours(count: number, day: number, seed: number): LoadedCall[] {
  const dice = seededDice(seed);
  return peakyDays(count / 24, { day, peak: 3 }, dice).map((arrival) => ({
    ...arrival,
    agent: `agent-${Math.floor(dice.next() * 9)}`,
    luck: dice.jitter(0.25),
  }));
}

const SIDES = fc.record({
  serverlessLimit: fc.integer({ min: 50, max: 900 }),
  places: fc.integer({ min: 4, max: 30 }),
});
const SETUPS = fc.record({ replicas: fc.nat(3), overflows: fc.boolean() });

test('every call of a played load is answered once or refused once', () => {
  fc.assert(
    fc.property(SETUPS, SIDES, fc.integer({ min: 5, max: 40 }), fc.nat(99), (setup, sides, day, seed) => {
      const calls = hours(11, day, seed);
      const { tookMs, onServerless, onEndpoint, refused } = play(calls, setup, sides);
      assert.equal(tookMs.length, onServerless.length + onEndpoint);
      assert.equal(tookMs.length + refused, calls.length);
      assert.ok(tookMs.every((ms) => ms > 0));
      if (setup.replicas === 0) assert.equal(onEndpoint, 0);
      if (setup.replicas > 0 && !setup.overflows) assert.deepEqual(onServerless, []);
    }),
    { numRuns: 25 },
  );
});

test('a load that both sides take together loses no call with overflow, and hardly a refusal is taken for a fault', () => {
  const sides = { serverlessLimit: 600, places: 24 };
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const calls = hours(11, 45, seed);
    const alone = play(calls, { replicas: 1, overflows: false }, sides);
    const both = play(calls, { replicas: 1, overflows: true }, sides);
    assert.ok(alone.refused > 0);
    assert.equal(both.refused, 0);
    assert.ok(both.faults <= 1, `${both.faults} faults`);
    assert.ok(both.onServerless.length < 0.3 * calls.length);
  }
});
