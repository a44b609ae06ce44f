import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LoadCurve } from '../../../src/core/usage/load-curve.ts';
import { cheapestState, monthlyMicros, steadyStates } from '../../../src/core/worth/steady-states.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Calls of one second each, so many at once at each time. */
function bursts(sizes: readonly number[], spanMs = DAY): LoadCurve {
  const calls = sizes.flatMap((size, i) =>
    Array.from({ length: size }, () => {
      const arrivedAtMs = i * 2_000;
      return { arrivedAtMs, endedAtMs: arrivedAtMs + 1_000, isRefused: false, isRepeat: false };
    }),
  );
  return new LoadCurve(calls, spanMs);
}

const INPUT = fc.record({
  load: fc.array(fc.nat(40), { maxLength: 30 }).map((sizes) => bursts(sizes)),
  carries: fc.integer({ min: 1, max: 12 }),
  pricePerHourMicros: fc.nat(5_000_000),
  perCallMicros: fc.nat(20_000),
});

test('more replicas never let a larger share overflow, and the last state lets none', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const states = steadyStates(input);
      assert.deepEqual(
        states.map(({ replicas }) => replicas),
        states.map((_, i) => i),
      );
      for (const [i, { overflowShare }] of states.entries()) {
        assert.ok(overflowShare <= (states[i - 1]?.overflowShare ?? 1));
      }
      assert.equal(states.at(-1)?.overflowShare, 0);
    }),
  );
});

test('money adds up: each replica for the month, and each overflowing call at its price', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const { load, pricePerHourMicros, perCallMicros, carries } = input;
      for (const state of steadyStates(input)) {
        assert.equal(state.dedicatedMicros, state.replicas * pricePerHourMicros * 720);
        const overflowing = load.overflow(state.replicas * carries) * 30 * perCallMicros;
        assert.ok(Math.abs(state.serverlessMicros - overflowing) <= 1);
        assert.equal(monthlyMicros(state), state.dedicatedMicros + state.serverlessMicros);
      }
    }),
  );
});

test('the cheapest state is none dearer than any other, and needs no more replicas than another as cheap', () => {
  fc.assert(
    fc.property(INPUT, (input) => {
      const states = steadyStates(input);
      const best = cheapestState(states);
      assert.ok(best !== null);
      for (const state of states) {
        assert.ok(monthlyMicros(best) <= monthlyMicros(state));
        if (monthlyMicros(best) === monthlyMicros(state)) assert.ok(best.replicas <= state.replicas);
      }
    }),
  );
});

test('a base on replicas with peaks on serverless can be the cheapest of all', () => {
  // Ten at once nearly always, and twice as many now and then.
  const load = bursts(Array.from({ length: 2_000 }, (_, i) => (i % 20 === 0 ? 20 : 10)));
  const states = steadyStates({ load, carries: 10, pricePerHourMicros: 800_000, perCallMicros: 1_500 });
  const [none, one, two] = states.map(monthlyMicros) as [number, number, number];
  assert.equal(cheapestState(states)?.replicas, 1);
  assert.deepEqual(
    [none, one, two].map((micros) => Math.round(micros / 1e6)),
    [945, 621, 1_152],
  );
  assert.equal(states[1]?.overflowShare, 1_000 / 21_000);
});
